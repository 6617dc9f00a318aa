"""The classes and functions that a saved model consists of; a file can name no others."""

from __future__ import annotations

import functools

from tabdiff import arrangement, constraints, schema
from tabdiff.diffusion import samplers, schedules
from tabdiff.diffusion.wiener import Block, Spectrum
from tabdiff.encoding import columns, formats, identifiers, linear, table
from tabdiff.encoding.timeline import Timeline
from tabdiff.frames import saved
from tabdiff.histories import FitHistory
from tabdiff.memorisation import BrakeConfig
from tabdiff.methods import FewStep, MaskedFewStep, TabDDPM
from tabdiff.nets.mlp import MLPConfig
from tabdiff.nets.sequence import SequenceConfig
from tabdiff.panel_columns import StepColumns
from tabdiff.sequences import SeriesConfig
from tabdiff.settings import DiffusionConfig
from tabdiff.storage.packing import Packer
from tabdiff.storage.scalars import Tagged
from tabdiff.tables import TableConfig
from tabdiff.targets import Target
from tabdiff.training import History, TrainingConfig

__all__ = ["CLASSES", "FUNCTIONS", "packer"]

CLASSES: tuple[type, ...] = (
    *(schema.Column, schema.ColumnSchema, schema.Kind, schema.Storage, schema.TableSchema),
    *(columns.ConstantCodec, columns.EmptyCodec, columns.Grid, columns.IdentifierCodec, columns.LevelCodec),
    *(columns.NormalScores, linear.LinearScores, columns.NumericCodec, table.TableEncoder),
    *(identifiers.NumberSeries, formats.NumberedText, formats.Piece, formats.TextFormat),
    *(cls for cls in arrangement.STORED if cls.__module__ != constraints.__name__),
    *(constraints.FixedCombinations, constraints.Inequality, constraints.Positive, constraints.Range),
    *(constraints.Unique, constraints.Predicate),  # the last holds code, and is refused for that
    *(DiffusionConfig, MLPConfig, TrainingConfig, BrakeConfig, TableConfig, FewStep, TabDDPM),
    *(schedules.CosineSchedule, schedules.KarrasSchedule, schedules.PowerSchedule),
    *(History, FitHistory, Target),
    *(SeriesConfig, SequenceConfig, MaskedFewStep, Block, Spectrum, StepColumns, Timeline),
)
FUNCTIONS = {"few_step": samplers.few_step, "ancestral": samplers.ancestral}


@functools.cache
def packer() -> Packer:
    """What writes and reads models."""
    scalars = [Tagged(tag, *scalar) for tag, scalar in saved.SCALARS.items()]
    return Packer(CLASSES, FUNCTIONS, scalars)
