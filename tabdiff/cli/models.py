"""Models of either kind, of rows or of series: made, found in folders, and told about."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tabdiff.errors import InputError
from tabdiff.files import to_arrow

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "check_model_place",
    "columns_of",
    "described",
    "is_of_series",
    "load_model",
    "new_model",
    "refuse_for_series",
]

FOR_ROWS_ALONE = ("update", "checkpoint", "resume")


def new_model(args: Namespace) -> Any:
    """The model that `tabdiff fit` is to train: of series if an entity or a time is named, or else of rows.

    Raises `InputError` for words that are not for a model of this kind.
    """
    from tabdiff.estimators import TableSynthesizer
    from tabdiff.series import SeriesSynthesizer

    common = {
        "target": args.target,
        "schema": _kinds(args.schema),
        "device": args.device,
        "verbose": not args.quiet,
        "random_state": args.seed,
        "max_seconds": args.max_seconds,
        "max_steps": args.max_steps,
    }
    if args.entity is None and args.time is None:
        if args.context:
            raise InputError(
                f"--context {' '.join(args.context)} is what the entities of series keep. Name their column "
                "with --entity COL, or leave --context out."
            )
        return TableSynthesizer(**common, checkpoint_dir=args.checkpoint, resume=args.resume)
    refuse_for_series(args, FOR_ROWS_ALONE)
    return SeriesSynthesizer(args.entity, args.time, args.context, **common)


def refuse_for_series(args: Namespace, names: Sequence[str]) -> None:
    """Raise `InputError` if one of these words, which have no meaning for series, was given."""
    given = [f"--{name.replace('_', '-')}" for name in names if getattr(args, name)]
    if given:
        raise InputError(
            f"{', '.join(given)} {'is' if len(given) == 1 else 'are'} for models of rows, but this is one of "
            "series. Leave it out."
        )


def load_model(path: str, device: str) -> Any:
    """The model in a folder, as the class that has saved it."""
    from tabdiff.estimators import TableSynthesizer
    from tabdiff.series import SeriesSynthesizer
    from tabdiff.storage.directory import read_kind

    of_series = read_kind(path) == SeriesSynthesizer.__name__
    return (SeriesSynthesizer if of_series else TableSynthesizer).load(path, device=device)


def is_of_series(model: Any) -> bool:
    """Whether it is a model of series."""
    from tabdiff.series import SeriesSynthesizer

    return isinstance(model, SeriesSynthesizer)


def columns_of(model: Any) -> tuple[list[Hashable], pa.Schema]:
    """The names of the fitted columns, and their types as Arrow has them."""
    empty = model.sample(0, random_state=0)
    schema = to_arrow(empty).schema
    if hasattr(empty, "shape") and not hasattr(empty, "columns"):
        return list(range(len(schema))), schema
    return list(getattr(empty, "column_names", None) or empty.columns), schema


def check_model_place(path: str) -> None:
    """Raise `InputError` now, and not after training, if no model can be saved there."""
    place = Path(path)
    if place.is_dir() and any(place.iterdir()) and not (place / "model.json").exists():
        raise InputError(f"{path!r} is a folder that holds something else than a model. Name another one.")
    if place.exists() and not place.is_dir():
        raise InputError(f"{path!r} is a file, and a model is a folder. Name another place.")


def described(model: Any, folder: Path) -> str:
    """What a model has learned, in paragraphs: columns, rows, classes, training, files."""
    if is_of_series(model):
        columns, n_rows = _roles(model), f"{model.n_samples_seen_:,} steps of {model.n_series_:,} series"
    else:
        columns, n_rows = str(model.schema_), f"{model.n_samples_seen_:,} rows"
    sections = [columns, f"learned from {n_rows}", _classes(model), _training(model), _files(folder)]
    return "\n\n".join(section for section in sections if section)


def _kinds(texts: Sequence[str]) -> dict[str, str] | None:
    """`["zip=categorical"]` as a dict; None if there is none."""
    kinds = {}
    for text in texts:
        name, sign, kind = text.rpartition("=")
        if not sign or not name or not kind:
            raise InputError(f"--schema {text!r} is not of the form COL=KIND, such as zip=categorical.")
        kinds[name] = kind
    return kinds or None


def _roles(model: Any) -> str:
    """The columns of series, what each is for, and its type."""
    names, schema = columns_of(model)
    roles = dict.fromkeys(model.context, "context") | {model.entity: "entity", model.time: "time"}
    rows = [("column", "role", "type")]
    rows += [
        (str(name), roles.get(name, "step"), str(kind))
        for name, kind in zip(names, schema.types, strict=True)
    ]
    widths = [max(len(row[i]) for row in rows) for i in range(2)]
    return "\n".join(f"{name:<{widths[0]}}  {role:<{widths[1]}}  {kind}" for name, role, kind in rows)


def _classes(model: Any) -> str:
    """The target's classes, those of rows with how many each had; empty without a target."""
    if model.classes_ is None:
        return ""
    names = [str(value) for value in model.classes_]
    if is_of_series(model):
        return "\n".join([f"target {model.target!r}", *(f"  {name}" for name in names)])
    counts = [f"{count:,}" for count in model.class_counts_]
    wide, high = max(map(len, names)), max(map(len, counts))
    lines = [
        f"  {name:<{wide}}  {count:>{high}}  {n / sum(model.class_counts_):8.3%}"
        for name, count, n in zip(names, counts, model.class_counts_, strict=True)
    ]
    return "\n".join([f"target {model.target!r}", *lines])


def _training(model: Any) -> str:
    """Steps, seconds and losses on some lines."""
    history = model.history_
    lines = [f"training: {history.n_steps:,} steps in {history.seconds:.1f} s, ended by {history.stopped_by}"]
    if history.steps:
        shown = sorted({0, len(history.steps) // 2, len(history.steps) - 1})
        for i in shown:
            held_out = f", held-out {history.held_out[i]:.4f}" if history.held_out else ""
            lines.append(f"  step {history.steps[i]:>7,}: loss {history.loss[i]:.4f}{held_out}")
    return "\n".join(lines)


def _files(folder: Path) -> str:
    """With what the model was saved, and how large it is."""
    document = json.loads((folder / "model.json").read_text(encoding="ascii"))
    versions = ", ".join(f"{name} {version}" for name, version in document["versions"].items() if version)
    size = sum(path.stat().st_size for path in folder.iterdir() if path.is_file())
    return (
        f"saved by tabdiff {document['tabdiff']} (format {document['format_version']}; {versions})\n"
        f"size: {size / 2**20:.2f} MiB"
    )
