"""Transactions per customer: tabdiff beside PAR and three controls, on the same table in the same run.

    python benchmarks/series/transactions.py data cards --out FOLDER
    python benchmarks/series/transactions.py draw tabdiff FOLDER --seconds 600 --seed 0
    python benchmarks/series/transactions.py draw par FOLDER --seconds 600         # needs deepecho
    python benchmarks/series/transactions.py score FOLDER --out benchmarks/results/series_transactions.csv

cards     `tabdiff.datasets.make_card_histories`: train and holdout are independent draws of one known law
handbook  the simulated card transactions of the Fraud Detection Handbook (`--source FILE`), customers of the
          first 60 days dealt to train and holdout

tabdiff    `SeriesSynthesizer` at its defaults, within the budget of seconds
par        DeepEcho's `PARModel`, the model of SDV's PARSynthesizer, for as many epochs as the budget holds
shuffled   the holdout's rows dealt to its customers at random, each column's law and no order
rows       `TableSynthesizer` on single rows, dealt to customers in the order of time
copy       the training table itself

`draw` writes FOLDER/NAME.parquet and the seconds it took beside it; `score` compares each with the holdout by
`tabdiff.evaluate`, with the floor (train against holdout).
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).parents[1]))
from machine import describe_machine

CONTEXT = {"cards": ["segment", "stolen"], "handbook": []}
ENTITY, TIME = "customer", "time"
MEASURES = tuple(f"series.{part}" for part in ("lengths", "time", "order", "structure", "nearest"))


def main() -> None:
    """Write tables, draw from systems, score what they drew."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    data = commands.add_parser("data")
    data.add_argument("table", choices=CONTEXT)
    data.add_argument("--out", type=Path, required=True)
    data.add_argument("--customers", type=int, default=1000)
    data.add_argument("--source", type=Path)
    drawn = commands.add_parser("draw")
    drawn.add_argument("system", choices=SYSTEMS)
    drawn.add_argument("folder", type=Path)
    drawn.add_argument("--seconds", type=float, default=600.0)
    drawn.add_argument("--seed", type=int, default=0)
    scored = commands.add_parser("score")
    scored.add_argument("folder", type=Path)
    scored.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    {"data": write_data, "draw": write_draw, "score": write_scores}[arguments.command](arguments)


def write_data(arguments: argparse.Namespace) -> None:
    """Write train.parquet and holdout.parquet, as many customers each."""
    arguments.out.mkdir(parents=True, exist_ok=True)
    if arguments.table == "cards":
        from tabdiff.datasets import make_card_histories

        train, holdout = (make_card_histories(arguments.customers, random_state=seed) for seed in (0, 1))
    else:
        table = pd.read_parquet(arguments.source)
        table = table[table["TX_TIME_DAYS"] < 60]
        names = {"CUSTOMER_ID": ENTITY, "TX_DATETIME": TIME, "TX_AMOUNT": "amount", "TX_FRAUD": "is_fraud"}
        table = table[list(names)].rename(columns=names)
        # amounts are of a customer: the tens of them are the events whose order can be told
        table["size"] = pd.cut(table["amount"], [-1, 20, 40, 60, 80, 120, 1e9], labels=list("abcdef")).astype(
            str
        )
        customers = np.random.default_rng(0).permutation(table[ENTITY].unique())
        parts = customers[: arguments.customers], customers[arguments.customers : 2 * arguments.customers]
        train, holdout = (table[table[ENTITY].isin(part)] for part in parts)
    for name, part in (("train", train), ("holdout", holdout)):
        part.sort_values([ENTITY, TIME], kind="stable").to_parquet(
            arguments.out / f"{name}.parquet", index=False
        )
    (arguments.out / "table.json").write_text(json.dumps({"table": arguments.table}))


def write_draw(arguments: argparse.Namespace) -> None:
    """Fit one system, draw as many customers as train has, and write them with the seconds of both."""
    train = pd.read_parquet(arguments.folder / "train.parquet")
    table = json.loads((arguments.folder / "table.json").read_text())["table"]
    began, cpu = time.perf_counter(), time.process_time()
    sample = SYSTEMS[arguments.system](train, CONTEXT[table], arguments.seconds, arguments.seed)
    fitted, fitted_cpu = time.perf_counter(), time.process_time()
    drawn = sample(train[ENTITY].nunique())
    line = {
        "system": arguments.system,
        "table": table,
        "seed": arguments.seed,
        "fit_seconds": fitted - began,
        "fit_cpu": fitted_cpu - cpu,
        "sample_seconds": time.perf_counter() - fitted,
        "machine": describe_machine(),
    }
    name = f"{arguments.system}_{arguments.seed}"
    drawn.to_parquet(arguments.folder / f"{name}.parquet", index=False)
    (arguments.folder / f"{name}.json").write_text(json.dumps(line, default=str))
    print({key: value for key, value in line.items() if key != "machine"}, len(drawn))


Sample = Callable[[int], pd.DataFrame]


def by_tabdiff(train: pd.DataFrame, context: list[str], seconds: float, seed: int) -> Sample:
    """`SeriesSynthesizer`."""
    from tabdiff import SeriesSynthesizer

    model = SeriesSynthesizer(ENTITY, TIME, context, random_state=seed, max_seconds=seconds).fit(train)
    print(model.history_)
    return model.sample


def by_rows(train: pd.DataFrame, context: list[str], seconds: float, seed: int) -> Sample:
    """`TableSynthesizer` on rows, dealt to customers of the lengths of train, each in the order of time."""
    from tabdiff import TableSynthesizer

    inner = [name for name in train.columns if name not in (ENTITY, *context)]
    model = TableSynthesizer(random_state=seed, max_seconds=seconds).fit(train[inner])
    whole = train[[ENTITY, *context]]

    def sample(n: int) -> pd.DataFrame:
        rows = pd.concat([whole.reset_index(drop=True), model.sample(len(whole))], axis=1)
        return rows.sort_values([ENTITY, TIME], kind="stable")[list(train.columns)]

    return sample


def shuffled(train: pd.DataFrame, context: list[str], seconds: float, seed: int) -> Sample:
    """Rows of train dealt to its customers at random; each is put into the order of time."""
    inner = [name for name in train.columns if name not in (ENTITY, *context)]
    order = np.random.default_rng(seed).permutation(len(train))
    rows = train.copy()
    rows[inner] = train[inner].to_numpy()[order]
    rows = rows.astype(train.dtypes.to_dict()).sort_values([ENTITY, TIME], kind="stable")
    return lambda n: rows


def copies(train: pd.DataFrame, context: list[str], seconds: float, seed: int) -> Sample:
    """The training table."""
    return lambda n: train


def by_par(train: pd.DataFrame, context: list[str], seconds: float, seed: int) -> Sample:
    """DeepEcho's PAR; the time is told as seconds since the step before, context given as it was."""
    import torch
    from deepecho import PARModel

    torch.manual_seed(seed)
    np.random.seed(seed)
    gap = train[TIME].diff().dt.total_seconds().where(train[ENTITY].eq(train[ENTITY].shift()), 0.0)
    table = train.assign(gap=gap)
    table[context] = table[context].astype(str)
    kinds = {
        name: "continuous" if pd.api.types.is_float_dtype(table[name]) else "categorical"
        for name in table.columns
        if name not in (ENTITY, TIME)
    }
    rest = table.drop(columns=TIME).assign(
        **{c: table[c].astype(str) for c in kinds if kinds[c] == "categorical"}
    )
    fitted, began, n_epochs = None, time.perf_counter(), 1
    while fitted is None or time.perf_counter() - began < seconds / 3:
        # its epochs cannot be cut by time: first a short run tells what one costs
        started = time.perf_counter()
        fitted = PARModel(epochs=n_epochs, cuda=False, verbose=False)
        fitted.fit(
            data=rest, entity_columns=[ENTITY], context_columns=context, data_types=kinds, sequence_index=None
        )
        cost = (time.perf_counter() - started) / n_epochs
        left = seconds - (time.perf_counter() - began)
        if n_epochs > 1 or left < 2 * cost:
            break
        n_epochs = max(int(left / cost), 2)
    print("epochs", n_epochs)
    whole = table.groupby(ENTITY, sort=False)[[*context, TIME]].first().reset_index(drop=True)

    def sample(n: int) -> pd.DataFrame:
        parts = []
        for i in range(n):
            steps = fitted.sample_sequence(context=whole.loc[i, context].tolist())
            columns = [name for name in rest.columns if name not in (ENTITY, *context)]
            part = pd.DataFrame(dict(zip(columns, steps, strict=True)))
            part[ENTITY] = i
            for name in context:
                part[name] = whole.loc[i, name]
            part[TIME] = whole.loc[i, TIME] + pd.to_timedelta(part["gap"].clip(lower=0).cumsum(), unit="s")
            parts.append(part)
        return pd.concat(parts, ignore_index=True)

    return sample


def as_in(cells: pd.Series, real: pd.Series) -> pd.Series:
    """Cells in the dtype of the real column; what was told as text is read back."""
    if cells.dtype == real.dtype:
        return cells
    if real.dtype == bool:
        cells = cells.map({"True": True, "False": False, True: True, False: False})
    return cells.astype(real.dtype)


SYSTEMS = {"tabdiff": by_tabdiff, "par": by_par, "rows": by_rows, "shuffled": shuffled, "copy": copies}


def write_scores(arguments: argparse.Namespace) -> None:
    """Compare every drawn table of the folder with the holdout; append to the results."""
    from tabdiff import evaluate

    train, holdout = (pd.read_parquet(arguments.folder / f"{name}.parquet") for name in ("train", "holdout"))
    table = json.loads((arguments.folder / "table.json").read_text())["table"]
    lines = []
    for path in sorted(arguments.folder.glob("*_*.json")):
        line = json.loads(path.read_text())
        synthetic = pd.read_parquet(path.with_suffix(".parquet"))[list(train.columns)]
        synthetic = synthetic.assign(**{name: as_in(synthetic[name], train[name]) for name in train.columns})
        report = evaluate(
            train=train,
            synthetic=synthetic,
            holdout=holdout,
            entity=ENTITY,
            time=TIME,
            context=CONTEXT[table],
            measures=MEASURES,
            seed=0,
        )
        frame = report.to_frame()
        print(path.stem)
        print(frame.to_string())
        for row in frame.to_dict("records"):
            lines.append({**{k: v for k, v in line.items() if k != "machine"}, **row})
    pd.DataFrame(lines).to_csv(arguments.out, index=False)


if __name__ == "__main__":
    main()
