"""Real tables from file to file without preparation: read, fit, sample, save, load, sample again.

    python benchmarks/real_tables.py ../shared/data --out benchmarks/results/real_tables.json

The folder holds the tables of `TABLES` as Parquet; one that is not there is an error. Each is learned in a
process of its own, so that its peak of memory is its own. Nothing is forgiven: a type that changed, a level
that never was, a number out of range, a cell missing where none was, an identifier that is repeated, or rows
of the loaded model that differ from those of the saved one are listed, and the exit status is 1.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

sys.path.append(str(Path(__file__).parent))
from machine import describe_machine

# file, library that reads it
TABLES = (
    ("adult_train", "pandas"),
    ("adult_train", "polars"),
    ("adult_train", "pyarrow"),
    ("diabetes130", "pandas"),
    ("bank_marketing", "pandas"),
    ("sparkov_test_sample", "pandas"),
    ("hypothyroid", "pandas"),
    ("openml_churn", "pandas"),
    ("handbook_card_fraud_sim", "pandas"),
)
PHASES = ("read", "fit", "sample", "save", "load", "sample again")


def main(argv: Sequence[str] | None = None) -> int:
    """Run what the command line asks for, print a line for each table, and return the exit status."""
    args = parse_arguments(argv)
    if args.one:
        print(json.dumps(one_table(args.folder, *args.one, args)))
        return 0
    machine, results = describe_machine(), []
    wanted = [(name, library) for name, library in TABLES if not args.only or name in args.only]
    print(header(), flush=True)
    for name, library in wanted:
        results.append(in_a_process(name, library, args))
        print(as_line(results[-1]), flush=True)
    arguments = {
        "max_seconds": args.max_seconds,
        "rows": args.rows,
        "seed": args.seed,
        "save": not args.no_save,
    }
    report = {"benchmark": "real_tables", "arguments": arguments, "machine": machine, "tables": results}
    if args.out:
        args.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    faults = [
        f"{found['table']} ({found['library']}): {fault}" for found in results for fault in found["faults"]
    ]
    print("\n".join(["", *(faults or ["no faults"])]))
    return 1 if faults else 0


def parse_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line; `argv` None means that of the process."""
    default = Path(__file__).parents[2] / "shared" / "data"
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, nargs="?", default=default, help="of the Parquet files")
    parser.add_argument("--max-seconds", type=float, default=20.0, help="of training (default: %(default)s)")
    parser.add_argument("--rows", type=int, default=10_000, help="to draw (default: %(default)s)")
    parser.add_argument("--only", nargs="+", choices=sorted({name for name, _ in TABLES}), help="tables")
    parser.add_argument("--no-save", action="store_true", help="leave out save, load and sample again")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="JSON file to write")
    parser.add_argument("--one", nargs=2, metavar=("TABLE", "LIBRARY"), help=argparse.SUPPRESS)
    return parser.parse_args(argv)


def in_a_process(name: str, library: str, args: argparse.Namespace) -> dict[str, Any]:
    """What `one_table` finds, in a fresh process; a crash is a fault with its last line."""
    command = [sys.executable, __file__, str(args.folder), "--one", name, library]
    command += ["--max-seconds", str(args.max_seconds), "--rows", str(args.rows), "--seed", str(args.seed)]
    done = subprocess.run(command + ["--no-save"] * args.no_save, capture_output=True, text=True, check=False)
    if done.returncode:
        print(done.stderr, file=sys.stderr)
        last = (done.stderr.strip().splitlines() or [f"ended with status {done.returncode}"])[-1]
        return {"table": name, "library": library, "faults": [last]}
    return json.loads(done.stdout.strip().splitlines()[-1])


# --- one table --------------------------------------------------------------------------------------------


def one_table(folder: Path, name: str, library: str, args: argparse.Namespace) -> dict[str, Any]:
    """Every phase on one table: seconds, memory, kinds, and all that is wrong with the rows drawn."""
    from tabdiff import TableSynthesizer

    seconds: dict[str, float] = {}

    def timed(phase: str, work: Callable[[], Any]) -> Any:
        started = time.perf_counter()
        result = work()
        seconds[phase] = round(time.perf_counter() - started, 2)
        return result

    frame = timed("read", lambda: read_table(folder / f"{name}.parquet", library))
    read_mb = peak_mb()
    model = TableSynthesizer(random_state=args.seed, max_seconds=args.max_seconds)
    timed("fit", lambda: model.fit(frame))
    drawn = timed("sample", lambda: model.sample(args.rows, random_state=args.seed + 1))
    saved = {} if args.no_save else save_and_load(model, drawn, args, timed)
    peak = peak_mb()
    real, new = as_pandas(frame), as_pandas(drawn)
    identifiers = [c.name for c in model.schema_.columns if c.kind == "identifier"]
    return {
        "table": name,
        "library": library,
        "rows": len(real),
        "columns": real.shape[1],
        "kinds": dict(Counter(str(column.kind) for column in model.schema_.columns)),
        "steps": model.history_.n_steps,
        "seconds": seconds,
        "peak_mb_after_read": read_mb,
        "peak_mb": peak,
        **saved,
        **compare(real, new, identifiers),
        "faults": dtype_faults(frame, drawn) + cell_faults(real, new, identifiers) + saved.get("faults", []),
    }


def read_table(path: Path, library: str) -> Any:
    """A Parquet file as a frame of the library."""
    if library == "pandas":
        return pd.read_parquet(path)
    if library == "polars":
        import polars

        return polars.read_parquet(path)
    import pyarrow.parquet

    return pyarrow.parquet.read_table(path)


def save_and_load(
    model: Any, drawn: Any, args: argparse.Namespace, timed: Callable[[str, Callable[[], Any]], Any]
) -> dict[str, Any]:
    """Save the model, load it, draw the same rows again; its size on disk, and a fault if they differ."""
    from tabdiff import TableSynthesizer

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model"
        timed("save", lambda: model.save(path))
        size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
        loaded = timed("load", lambda: TableSynthesizer.load(path))
        again = timed("sample again", lambda: loaded.sample(args.rows, random_state=args.seed + 1))
    return {"saved_mb": round(size / 2**20, 2), **compare_loaded(drawn, again)}


def compare_loaded(drawn: Any, again: Any) -> dict[str, Any]:
    """Faults if the loaded model's rows differ from the saved one's, and the levels that were withheld.

    A file holds no level that only few rows had, so that categories may declare fewer levels after loading.
    """
    before, after = as_pandas(drawn), as_pandas(again)
    categories = [name for name in before if isinstance(before[name].dtype, pd.CategoricalDtype)]
    withheld = {
        name: len(before[name].cat.categories) - len(after[name].cat.categories) for name in categories
    }
    same = before.astype(dict.fromkeys(categories, object)).equals(
        after.astype(dict.fromkeys(categories, object))
    )
    faults = [] if same else ["the loaded model draws other rows than the saved one"]
    faults += [
        f"{name}: the loaded model declares categories that were not there"
        for name in categories
        if not after[name].cat.categories.isin(before[name].cat.categories).all()
    ]
    return {"withheld_levels": {name: n for name, n in withheld.items() if n}, "faults": faults}


def peak_mb() -> int:
    """Largest memory of this process so far, MiB."""
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


# --- the rows drawn ---------------------------------------------------------------------------------------


def as_pandas(frame: Any) -> pd.DataFrame:
    """The frame itself, or a pandas copy of it."""
    return frame if isinstance(frame, pd.DataFrame) else frame.to_pandas()


def dtype_faults(frame: Any, drawn: Any) -> list[str]:
    """Names and dtypes that differ, in the frames' own library."""
    if type(frame) is not type(drawn):
        return [f"{type(frame).__name__} became {type(drawn).__name__}"]
    before, after = dtypes_of(frame), dtypes_of(drawn)
    if list(before) != list(after):
        return ["names or order of columns changed"]
    return [
        f"{name}: dtype {before[name]} became {after[name]}" for name in before if before[name] != after[name]
    ]


def dtypes_of(frame: Any) -> dict[str, Any]:
    """Name to dtype, in the frame's own library."""
    if isinstance(frame, pd.DataFrame):
        return dict(frame.dtypes)
    schema = frame.schema
    return dict(schema) if isinstance(schema, dict) else {field.name: field.type for field in schema}


def cell_faults(real: pd.DataFrame, new: pd.DataFrame, identifiers: Sequence[str]) -> list[str]:
    """Cells that the table could not hold, column by column, in words."""
    faults = []
    for name in real:
        known, cells = real[name].dropna(), new[name].dropna()
        if len(cells) < len(new) and len(known) == len(real):
            faults.append(f"{name}: {len(new) - len(cells)} missing cells, none in the table")
        if len(known):
            n_bad, what = bad_cells(known, cells, name in identifiers)
            faults += [f"{name}: {n_bad} cells {what}"] if n_bad else []
        elif len(cells):
            faults.append(f"{name}: {len(cells)} cells, none in the table")
    return faults


def bad_cells(known: pd.Series, cells: pd.Series, is_identifier: bool) -> tuple[int, str]:
    """How many cells are not of the column, and what is wrong with them; neither series has missing cells."""
    if is_identifier:
        return int((cells.duplicated() | cells.isin(known)).sum()), "that name a row already"
    if known.dtype.kind in "iufmM":
        low, high = known.min(), known.max()
        return int(((cells < low) | (cells > high)).sum()), f"outside of [{low}, {high}]"
    return int((~cells.isin(known.unique())).sum()), "with new levels"


def compare(real: pd.DataFrame, new: pd.DataFrame, identifiers: Sequence[str]) -> dict[str, Any]:
    """Rows that are rows of the table, identifiers left out, beside what chance makes of its own halves.

    copies: share of rows drawn that equal a row of the table. copies_within: share of a random half's rows
    that equal a row of the other half. missing_gap: largest difference of a column's share of missing cells.
    """
    hashes, drawn = (row_hashes(frame.drop(columns=list(identifiers))) for frame in (real, new))
    half = np.random.default_rng(0).permutation(len(hashes))[: len(hashes) // 2]
    within = np.isin(hashes[half], np.delete(hashes, half)).mean() if len(half) else 0.0
    return {
        "copies": round(float(np.isin(drawn, hashes).mean()), 5),
        "copies_within": round(float(within), 5),
        "missing_gap": round(float((real.isna().mean() - new.isna().mean()).abs().max()), 4),
    }


def row_hashes(frame: pd.DataFrame) -> np.ndarray:
    """(n,) uint64, equal for rows that are equal in every column; missing equals missing."""
    plain = frame.astype(
        {name: object for name in frame if isinstance(frame[name].dtype, pd.CategoricalDtype)}
    )
    return pd.util.hash_pandas_object(plain, index=False).to_numpy()


# --- text -------------------------------------------------------------------------------------------------


def header() -> str:
    """The titles of the lines."""
    phases = "".join(f"{phase:>13}" for phase in PHASES)
    figures = f"{'peak MB':>9}{'copies':>9}{'(chance)':>9}{'faults':>8}"
    return f"{'table':<32}{'rows':>10}{'cols':>5}{phases}{figures}  kinds"


def as_line(found: dict[str, Any]) -> str:
    """One table in one line; seconds of each phase."""
    title = f"{found['table']} {found['library']}"
    if "rows" not in found:
        return f"{title:<32}  FAILED: {found['faults'][0][:120]}"
    seconds = "".join(f"{found['seconds'].get(phase, float('nan')):>13.2f}" for phase in PHASES)
    kinds = ", ".join(f"{count} {kind}" for kind, count in found["kinds"].items())
    return (
        f"{title:<32}{found['rows']:>10,}{found['columns']:>5}{seconds}{found['peak_mb']:>9}"
        f"{found['copies']:>9.2%}{found['copies_within']:>9.2%}{len(found['faults']):>8}  {kinds}"
    )


if __name__ == "__main__":
    sys.exit(main())
