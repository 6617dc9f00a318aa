"""The imbalanced tables of the benchmark, as the field sets their classes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

__all__ = ["TABLES", "Task", "load"]


@dataclass(frozen=True)
class Task:
    """A table and its rare class.

    positive: tells the rare rows from the target column. drop: columns that are no feature (identifiers, or
    the label under another name). share: share of rare rows left, if the table itself is not imbalanced.
    prepare: what its users do to the raw columns first.
    """

    file: str
    target: str
    positive: Callable[[pd.Series], pd.Series]
    drop: tuple[str, ...] = ()
    share: float | None = None
    prepare: Callable[[pd.DataFrame], pd.DataFrame] | None = None


def _is(value: object) -> Callable[[pd.Series], pd.Series]:
    return lambda column: column == value


def _card_clock(table: pd.DataFrame) -> pd.DataFrame:
    clock = table["TX_DATETIME"]
    return table.assign(hour=clock.dt.hour, weekday=clock.dt.weekday).drop(columns="TX_DATETIME")


def _sparkov_clock(table: pd.DataFrame) -> pd.DataFrame:
    clock = table["trans_date_trans_time"]
    born = pd.to_datetime(table["dob"].astype(str))
    age = ((clock - born).dt.days / 365.25).round(1)
    return table.assign(hour=clock.dt.hour, age=age).drop(columns=["trans_date_trans_time", "dob"])


_SPARKOV_IDS = ("Unnamed: 0", "cc_num", "merchant", "first", "last", "street", "city", "zip", "trans_num")

TABLES = {
    "abalone_19": Task("abalone", "Rings", _is(19)),
    "adult_2": Task("adult_train", "income", _is(">50K"), share=0.02),
    "annthyroid": Task("adbench_annthyroid", "y", _is(1)),
    "bank_marketing": Task("bank_marketing", "y", _is("yes")),
    "card_fraud_sim": Task(
        "handbook_card_fraud_sim",
        "TX_FRAUD",
        _is(1),
        ("TRANSACTION_ID", "CUSTOMER_ID", "TERMINAL_ID", "TX_TIME_SECONDS", "TX_FRAUD_SCENARIO"),
        prepare=_card_clock,
    ),
    "coil2000": Task("coil2000", "V86", _is(1), ("split",)),
    "default_2": Task("default_credit", "default.payment.next.month", _is(1), ("ID",), 0.02),
    "hypothyroid": Task("hypothyroid", "class", _is("hypothyroid")),
    "letter_z": Task("letter", "class", _is("Z")),
    "mammography": Task("mammography", "class", _is(1)),
    "oil_spill": Task("oil_spill", "class", _is(1)),
    "openml_churn": Task("openml_churn", "Class", _is(1), ("phone_number",)),
    "ozone_level": Task("ozone_level_8hr", "Class", _is(2)),
    "pc1": Task("pc1", "Class", _is(1)),
    "satimage_4": Task("satimage", "class", _is(4)),
    "seismic_bumps": Task("seismic_bumps", "class", _is(1)),
    "sick": Task("sick", "Class", _is("sick")),
    "sparkov_2": Task(
        "sparkov_test_sample", "is_fraud", _is(1), (*_SPARKOV_IDS, "unix_time", "job"), 0.02, _sparkov_clock
    ),
    "stroke": Task("stroke", "stroke", _is(1), ("id",)),
    "ulb_card": Task("ulb_creditcard_sample", "Class", _is(1)),
    "us_crime": Task("us_crime", "Class", _is(1)),
    "wilt": Task("wilt", "Class", _is(2)),
    "wine_white": Task("wine_quality_white", "quality", lambda column: column <= 4),
    "yeast_me2": Task("yeast_me2", "Class", _is(1)),
}


def load(name: str, data: Path, max_rows: int, seed: int) -> tuple[pd.DataFrame, pd.Series]:
    """Features and classes (1 rare, 0 other) of a table, at most `max_rows` of it with its own prevalence."""
    task = TABLES[name]
    table = pd.read_parquet(data / f"{task.file}.parquet")
    rng = np.random.default_rng(seed)
    if len(table) > 4 * max_rows:
        table = table.iloc[np.sort(rng.choice(len(table), 4 * max_rows, replace=False))]
    rare = task.positive(table[task.target]).to_numpy()
    rows = np.arange(len(table))
    if task.share is not None:
        n_rare = round(task.share / (1 - task.share) * (~rare).sum())
        rows = np.concatenate([rows[~rare], rng.choice(rows[rare], min(n_rare, rare.sum()), replace=False)])
    if len(rows) > max_rows:
        rows = _stratified(rows, rare[rows], max_rows, rng)
    rows = np.sort(rows)
    table = table.iloc[rows].reset_index(drop=True)
    if task.prepare is not None:
        table = task.prepare(table)
    features = table.drop(columns=[task.target, *(name for name in task.drop if name in table)])
    features = features.loc[:, features.nunique(dropna=False) > 1]
    return features, pd.Series(rare[rows].astype(np.int64), name="rare")


def _stratified(rows: np.ndarray, rare: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    share = n / len(rows)
    parts = [rows[rare == value] for value in (False, True)]
    return np.concatenate([rng.choice(part, round(share * len(part)), replace=False) for part in parts])
