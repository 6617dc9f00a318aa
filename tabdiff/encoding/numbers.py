"""The codec of numeric columns: scores of what is spread out, levels for what is not."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import ndtr

from tabdiff.encoding.codec import (
    Features,
    check_known,
    look_up,
    no_features,
    nothing_meets,
    state_of,
)
from tabdiff.encoding.linear import LinearScores
from tabdiff.encoding.scores import NormalScores
from tabdiff.schema import Column
from tabdiff.wanted import Wanted

__all__ = ["NumericCodec"]

MIN_CELLS = 5
MIN_SHARE = 1e-9  # of ranks, the resolution of scores


@dataclass(frozen=True)
class NumericCodec:
    """A numeric column: normal scores of its spread-out values beside a level for what is not spread out.

    The level says whether a cell is spread out (0), one of the `atoms`, values that each make up at least 5 %
    of the cells, or missing. The score of an atom or a missing cell is not observed: it is masked in the loss
    and never filled in. Columns without atoms and missing cells have no level at all.

    atoms: (A,) sorted values. atom_level, atom_counts: (A,) the level of each and in how many rows it occurs.
    n_rows: of the column, of which n_missing are missing.
    """

    scores: NormalScores | LinearScores
    atoms: np.ndarray
    atom_level: np.ndarray
    atom_counts: np.ndarray
    n_rows: int
    n_missing: int
    missing_level: int
    n_levels: tuple[int, ...]
    n_num: int = 1

    @classmethod
    def fit(
        cls, column: Column, atom_share: float = 0.05, no_atoms: np.ndarray | None = None
    ) -> NumericCodec:
        """Separate the atoms, and rank the rest; no_atoms: sorted values that are none, however frequent."""
        observed = column.observed
        values, counts = np.unique(observed, return_counts=True)
        frequent = (counts >= atom_share * len(column)) & (counts > 1)
        if no_atoms is not None:
            frequent &= ~look_up(values, no_atoms)[1]
        if frequent.all():  # ranks serve as well as levels
            frequent[:] = False
        atoms = values[frequent]
        spread = observed[~look_up(observed, atoms)[1]]
        n_missing = len(column) - len(observed)
        n_states = 1 + len(atoms) + int(n_missing > 0)
        return cls(
            NormalScores.fit(spread),
            atoms,
            1 + np.arange(len(atoms)),
            counts[frequent],
            len(column),
            n_missing,
            n_states - 1 if n_missing else -1,
            (n_states,) if n_states > 1 else (),
        )

    def knows(self, column: Column) -> np.ndarray:
        """All numbers, and missing cells if fit has seen such."""
        return ~column.missing | (self.missing_level >= 0)

    def encode(self, column: Column, rng: np.random.Generator | None) -> Features:
        """Score the spread-out cells and flag the others. Raises `SchemaError` for missing where none was."""
        check_known(column, unseen=self.atoms[:0], known=self.atoms, may_miss=self.missing_level >= 0)
        place, is_atom = look_up(column.values, self.atoms)
        level = np.append(self.atom_level, 0)[np.where(is_atom, place, len(self.atoms))]
        state = np.where(column.missing, self.missing_level, level)
        spread = state == 0
        num = np.zeros(len(column))
        num[spread] = self.scores.scores(column.values[spread], rng)
        cat = state[:, None] if self.n_levels else no_features(len(column), np.int64)
        return Features(num[:, None], spread[:, None], cat)

    def decode(
        self, features: Features, rng: np.random.Generator, first_row: int = 0
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the value of each score, or the atom that the level names.

        Levels whose values were not released draw a cell from the rest of the column; if nothing is left of
        it, the cells are missing.
        """
        state = state_of(features)
        missing = state == self.missing_level
        values = np.zeros(len(state), dtype=self.scores.grid.dtype)
        spread = (state == 0) & (len(self.scores.ticks) > 0)
        values[spread] = self.scores.values_of(features.num[spread, 0])
        atom_of = np.full(max(self.n_levels, default=1), -1)
        atom_of[self.atom_level] = np.arange(len(self.atoms))
        place = atom_of[state]
        is_atom = place >= 0
        values[is_atom] = self.atoms[place[is_atom]]
        lost = ~(missing | spread | is_atom)
        if lost.any():
            if self.holds_values:
                values[lost] = self.draw_cells(Wanted(), int(lost.sum()), rng)[0]
            else:
                missing |= lost
        return values, missing

    @property
    def holds_values(self) -> bool:
        """Whether any number is left of the column."""
        return len(self.scores.ticks) + len(self.atoms) > 0

    def draw_cells(
        self, wanted: Wanted, n: int, rng: np.random.Generator, template: Column | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Draw cells by the column's law among those that meet `wanted`.

        Numbers that the law never gives, but which lie within its range, can be asked for too: as single
        values, or as ranges in a gap of the column. They are equally likely.
        """
        n_missing = self.n_missing if wanted.missing else 0
        singles, weights = self._singles(wanted)
        spread, weight = self._spread(wanted)
        total = weights.sum() + weight + n_missing
        if not total:
            return self._unseen(wanted, n, rng, template), np.zeros(n, dtype=bool)
        share = np.concatenate([weights, [weight, n_missing]]) / total
        chosen = rng.choice(len(share), size=n, p=share)
        values = np.append(singles, np.zeros(2, singles.dtype))[chosen]
        inside = chosen == len(singles)
        if weight:
            values[inside] = self.scores.draw_between(*spread, int(inside.sum()), rng)
        return values, chosen == len(singles) + 1

    def _singles(self, wanted: Wanted) -> tuple[np.ndarray, np.ndarray]:
        """Values that are asked for one by one, and in how many rows each is expected: atoms, if none are."""
        values = self.atoms if wanted.values is None else wanted.values.astype(self.atoms.dtype)
        values = values[wanted.meets(values, np.zeros(len(values), dtype=bool))]
        place, is_atom = look_up(values, self.atoms)
        weights = np.append(self.atom_counts, 0)[np.where(is_atom, place, len(self.atoms))].astype(float)
        if len(values) and len(self.scores.ticks) and not is_atom.all():
            mass = self._mass(*self.scores.range_of(values, values))
            weights = np.where(is_atom, weights, mass)
        return values, weights

    def _spread(self, wanted: Wanted) -> tuple[tuple[float, float], float]:
        """Scores between which spread-out values meet a range, and in how many rows such are expected."""
        if wanted.values is not None or not wanted.observed or not len(self.scores.ticks):
            return (0.0, 0.0), 0.0
        bounds = (None if bound is None else np.array([bound]) for bound in (wanted.low, wanted.high))
        first, last = self.scores.range_of(*bounds)
        return (first[0], last[0]), float(self._mass(first, last)[0])

    def _mass(self, first: np.ndarray, last: np.ndarray) -> np.ndarray:
        """Expected number of spread-out cells with scores in each range; 0 where only rounding gives any."""
        share = ndtr(last) - ndtr(first)
        return np.where(share > MIN_SHARE, share * self.scores.n, 0)

    def _unseen(
        self, wanted: Wanted, n: int, rng: np.random.Generator, template: Column | None
    ) -> np.ndarray:
        """Draw numbers that the law never gives. Raises `ConditionError` if they are beyond its range."""
        ends = np.concatenate([self.scores.ends, self.atoms])
        if len(ends):
            ends = np.array([ends.min(), ends.max()])
        if len(ends) and wanted.observed:
            if wanted.values is not None:
                values, _ = self._singles(wanted)
                values = values[(values >= ends[0]) & (values <= ends[1])]
                if len(values):
                    return rng.choice(values, size=n)
            else:
                low = ends[0] if wanted.low is None else max(ends[0], wanted.low)
                high = ends[1] if wanted.high is None else min(ends[1], wanted.high)
                anchor = np.append(self.scores.ends, self.atoms)[0]
                drawn = self.scores.grid.draw_between(low, high, anchor, n, rng)
                if drawn is not None:
                    return drawn
        raise nothing_meets(wanted, template, ends, is_range=True)

    def linear(self) -> NumericCodec:
        """With scores that are linear in the values, for smooth series; itself if that cannot be."""
        scores = LinearScores.of(self.scores) if isinstance(self.scores, NormalScores) else None
        return self if scores is None else replace(self, scores=scores)

    def released(self) -> NumericCodec:
        """Without values that few rows hold: rare ones are merged in groups, whose means are kept.

        Each value kept stands for five rows, for fewer in tables of under 100 rows; tables of under 40 rows
        keep all.
        """
        k = max(1, min(MIN_CELLS, self.n_rows // 20))
        kept = self.atom_counts >= k
        return replace(
            self,
            scores=self.scores.released(k),
            atoms=self.atoms[kept],
            atom_level=self.atom_level[kept],
            atom_counts=self.atom_counts[kept],
        )

    def extended(self, column: Column) -> NumericCodec:
        """With more cells: the scores are normal over all of them; the atoms stay, with more rows each."""
        place, is_atom = look_up(column.values, self.atoms)
        observed = ~column.missing
        spread = column.values[observed & ~is_atom]
        n_new = np.bincount(place[observed & is_atom], minlength=len(self.atoms))
        n_missing = len(column) - int(observed.sum())
        n_levels, missing_level = self.n_levels, self.missing_level
        if n_missing and missing_level < 0:
            missing_level = max(self.n_levels, default=1)
            n_levels = (missing_level + 1,)
        return replace(
            self,
            scores=self.scores.extended(spread),
            atom_counts=self.atom_counts + n_new[: len(self.atoms)],
            n_rows=self.n_rows + len(column),
            n_missing=self.n_missing + n_missing,
            missing_level=missing_level,
            n_levels=n_levels,
        )

    def recoded(self, new_code: np.ndarray) -> NumericCodec:
        """Itself: numbers have no labels."""
        return self
