"""What the commands of the command line do, each with the words that it was called with.

Each returns the exit code. Results go to files, or to the standard output where that is asked for; all else
that is said goes to the standard error.
"""

from __future__ import annotations

import secrets
import sys
import time
import warnings
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tabdiff.cli.models import (
    check_model_place,
    columns_of,
    described,
    is_of_series,
    load_model,
    new_model,
    refuse_for_series,
)
from tabdiff.cli.where_text import parse_value, parse_where
from tabdiff.errors import AugmentationNotHelpfulWarning, InputError
from tabdiff.files import TableWriter, read_table, to_arrow
from tabdiff.schema import Storage

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["evaluate", "fit", "impute", "info", "resample", "sample"]

BAD = {"fidelity": ("flawed",), "utility": ("hurts",), "privacy": ("leak detected",)}
NOT_ASSESSABLE = "not assessable"
BATCH_ROWS = 100_000


def fit(args: Namespace) -> int:
    """Learn a table or series, or go on with a learned table, and save the model."""
    check_model_place(args.output)
    model = new_model(args)
    if args.resume and args.checkpoint is None:
        raise InputError("--resume needs --checkpoint DIR, the folder where the state of training is kept.")
    started = time.perf_counter()
    if args.update is None:
        table = read_table(args.data, args.format)
        model.fit(table)
    else:
        model, table = _updated(args)
    model.save(args.output)
    done = "learned" if args.update is None else "updated with"
    _say(args, f"{done} {_size(table)} in {time.perf_counter() - started:.0f} s: {args.output}")
    return 0


def _updated(args: Namespace) -> tuple[Any, pa.Table]:
    """The model that goes on, after it has, and the table that it went on with."""
    from tabdiff.estimators import TableSynthesizer

    if args.target is not None or args.schema or args.seed is not None:
        raise InputError("--target, --schema and --seed are those of the model that goes on. Leave them out.")
    model = TableSynthesizer.load(args.update, device=args.device)
    settings = {
        "max_seconds": args.max_seconds,
        "max_steps": args.max_steps,
        "checkpoint_dir": args.checkpoint,
    }
    given = {name: value for name, value in settings.items() if value is not None}
    model.set_params(verbose=not args.quiet, resume=args.resume, **given)
    schema = columns_of(model)[1]
    table = read_table(args.data, args.format, like=schema)
    model.update(_ordered(table, schema.names))
    return model, table


def sample(args: Namespace) -> int:
    """Draw rows batch after batch, or series all at once."""
    writer = TableWriter(args.output, args.format)
    seed = _seed(args)
    model = load_model(args.model, args.device)
    names, schema = columns_of(model)
    where = parse_where(args.where, dict(zip(names, map(_storage, schema.types), strict=True))) or None
    if is_of_series(model):
        refuse_for_series(args, ("no_missing", "batch_rows"))
        model.set_params(verbose=not args.quiet)
        drawn = to_arrow(model.sample(args.rows, where=where, random_state=seed))
        with writer:
            writer.write(drawn)
    else:
        model.set_params(verbose=False)
        _write_rows(args, model, writer, schema.empty_table(), where=where, random_state=seed)
    _say(args, f"{writer.n_rows:,} rows with seed {seed}: {args.output}")
    return 0


def _write_rows(args: Namespace, model: Any, writer: TableWriter, empty: pa.Table, **how: Any) -> None:
    """Draw the rows that were asked for, and write each batch as soon as it is there."""
    from tabdiff.progress import sampling_bar

    batch_rows = BATCH_ROWS if args.batch_rows is None else args.batch_rows
    batches = model.sample_batches(args.rows, batch_rows=batch_rows, allow_missing=not args.no_missing, **how)
    with writer, sampling_bar(not args.quiet, args.rows) as on_rows:
        for batch in batches:
            table = to_arrow(batch)
            writer.write(table)
            if on_rows is not None:
                on_rows(table.num_rows)
        if not writer.n_batches:
            writer.write(empty)


def impute(args: Namespace) -> int:
    """Fill the missing cells of a table."""
    writer = TableWriter(args.output, args.format)
    seed = _seed(args)
    model = load_model(args.model, args.device)
    model.set_params(verbose=not args.quiet)
    schema = columns_of(model)[1]
    table = read_table(args.data, args.format, like=schema)
    filled = to_arrow(model.impute(_ordered(table, schema.names), random_state=seed))
    with writer:
        writer.write(_ordered(filled, table.column_names))
    _say(args, f"filled {_n_missing(table):,} cells of {_size(table)} with seed {seed}: {args.output}")
    return 0


def resample(args: Namespace) -> int:
    """Add synthetic rows of rare classes behind the rows of a table."""
    import pyarrow as pa

    from tabdiff.oversampling import DiffusionOverSampler

    writer = TableWriter(args.output, args.format)
    table = read_table(args.data, args.format)
    _check_column(args.target, table)
    if args.mark in table.column_names:
        raise InputError(f"--mark {args.mark!r} is a column of the table already. Choose another name.")
    sampler = DiffusionOverSampler(
        sampling_strategy=args.strategy if args.ratio is None else args.ratio,
        random_state=args.seed,
        max_seconds=args.max_seconds,
        max_steps=args.max_steps,
        device=args.device,
        verbose=not args.quiet,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AugmentationNotHelpfulWarning)  # the report says so
        X, y = sampler.fit_resample(table.drop_columns([args.target]), table.column(args.target))
    place = table.column_names.index(args.target)
    result = X.add_column(place, table.schema.field(args.target), y)
    if args.mark is not None:
        result = result.append_column(args.mark, pa.array(sampler.synthetic_mask_))
    with writer:
        writer.write(result)
    if sampler.report_ is not None:
        _say(args, str(sampler.report_))
    _say(args, f"added {sampler.n_synthetic_:,} rows to {_size(table)}: {args.output}")
    return 0


def evaluate(args: Namespace) -> int:
    """Judge a synthetic table; 1 if a verdict that the user named is bad."""
    from tabdiff.evaluation.judging import evaluate as judge

    kind = _report_kind(args.output)
    train = read_table(args.train, args.format)
    synthetic, holdout = (
        None if path is None else read_table(path, args.format, like=train.schema)
        for path in (args.synthetic, args.holdout)
    )
    positive = args.positive
    if positive is not None:
        if args.target is None:
            raise InputError("--positive is a class of --target COL. Name the column.")
        _check_column(args.target, train)
        positive = parse_value(positive, _storage(train.schema.field(args.target).type), args.target)
    report = judge(
        train=train,
        synthetic=synthetic,
        holdout=holdout,
        target=args.target,
        positive=positive,
        budget=args.budget,
        seed=args.seed,
        entity=args.entity,
        time=args.time,
        context=args.context,
    )
    if args.output == "-":
        sys.stdout.write(f"{report.to_json()}\n")
    elif kind == "html":
        report.to_html(args.output)
    else:
        report.to_json(args.output)
    verdict = report.verdict
    _say(args, "\n".join(f"{room:<9} {getattr(verdict, room)}" for room in BAD))
    _say(args, "\n".join(f"  {reason}" for reason in verdict.reasons))
    failed = [room for room in args.fail_on if getattr(verdict, room) in (*BAD[room], NOT_ASSESSABLE)]
    if failed:
        sys.stderr.write(f"failed: {', '.join(f'{room}: {getattr(verdict, room)}' for room in failed)}\n")
    return 1 if failed else 0


def info(args: Namespace) -> int:
    """Print what a model has learned."""
    sys.stdout.write(described(load_model(args.model, "cpu"), Path(args.model)) + "\n")
    return 0


# --- tables -------------------------------------------------------------------------------------------------


def _storage(kind: pa.DataType) -> Storage:
    """How the cells of an Arrow type are held; categories of numbers are read as numbers."""
    import pyarrow as pa

    types = pa.types
    if types.is_dictionary(kind):
        kind = kind.value_type
    if types.is_integer(kind):
        return Storage.INT
    if types.is_floating(kind) or types.is_decimal(kind):
        return Storage.FLOAT
    if types.is_boolean(kind):
        return Storage.BOOL
    if types.is_date(kind) or types.is_timestamp(kind):
        return Storage.DATETIME
    if types.is_duration(kind) or types.is_time(kind):
        return Storage.DURATION
    return Storage.LABEL


def _seed(args: Namespace) -> int:
    """The seed that was given, or one that no run had before."""
    return secrets.randbits(31) if args.seed is None else args.seed


def _ordered(table: pa.Table, names: Sequence[str]) -> pa.Table:
    """The columns in this order if they are the same; others are for the model to refuse."""
    return table.select(names) if sorted(names) == sorted(table.column_names) else table


def _check_column(name: str, table: pa.Table) -> None:
    if name not in table.column_names:
        raise InputError(f"there is no column {name!r} in the table. Columns: {table.column_names}.")


def _n_missing(table: pa.Table) -> int:
    import pyarrow.compute as pc

    return sum(pc.sum(pc.is_null(cells, nan_is_null=True)).as_py() or 0 for cells in table.columns)


def _size(table: pa.Table) -> str:
    return f"{table.num_rows:,} rows x {table.num_columns} columns"


def _report_kind(path: str) -> str:
    """Raise `InputError` now, and not after the work, if the report cannot be written there."""
    kind = "json" if path == "-" else Path(path).suffix.lower().lstrip(".")
    if kind not in ("html", "json"):
        raise InputError(f"the report {path!r} ends neither with .html nor with .json. Rename it.")
    if path != "-" and not Path(path).resolve().parent.is_dir():
        raise InputError(
            f"cannot write {path!r}: there is no folder {str(Path(path).parent)!r}. Make it first."
        )
    return kind


def _say(args: Namespace, text: str) -> None:
    if not args.quiet:
        sys.stderr.write(text + "\n")
