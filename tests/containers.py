"""One table in every container that tabdiff reads, for tests that hold for all of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa


def mixed_table(n_rows: int = 100, seed: int = 0) -> pd.DataFrame:
    """Decimals and text with missing cells, integers, a declared category and a boolean."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "amount": rng.normal(50, 20, n_rows).round(2),
            "count": rng.integers(0, 500, n_rows),
            "city": pd.Series(rng.choice(["Graz", "Linz", "Wien"], n_rows), dtype="str"),
            "card": pd.Categorical(rng.choice(["credit", "debit"], n_rows)),
            "night": rng.random(n_rows) < 0.3,
        }
    )
    frame.loc[::7, "amount"] = np.nan
    frame.loc[::9, "city"] = None
    return frame


def with_times(frame: pd.DataFrame) -> pd.DataFrame:
    """The table with a date, a zoned date with missing cells and a duration; frames only can hold these."""
    hours = pd.Series(pd.to_timedelta(np.arange(len(frame)) * 37 % 1000, unit="h"))
    zoned = (pd.Timestamp("2024-03-01", tz="Europe/Vienna") + hours).dt.as_unit("us")
    return frame.assign(
        opened=(pd.Timestamp("2024-03-01") + hours).dt.as_unit("us"),
        seen=zoned.where(np.arange(len(frame)) % 5 != 0),
        stay=hours.dt.as_unit("us"),
    )


def as_array(frame: pd.DataFrame) -> np.ndarray:
    """The cells as objects, missing ones as None."""
    return frame.astype(object).where(frame.notna(), None).to_numpy()


def as_nullable(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame in pandas' masked dtypes."""
    return frame.convert_dtypes()


def as_arrow_backed(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame in pandas' pyarrow dtypes."""
    return frame.convert_dtypes(dtype_backend="pyarrow")


def as_polars(frame: pd.DataFrame) -> pl.DataFrame:
    """The frame in polars."""
    return pl.from_pandas(frame)


def as_arrow(frame: pd.DataFrame) -> pa.Table:
    """The frame as an Arrow table without pandas' metadata."""
    return pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(None)


FRAMES: dict[str, Callable[[pd.DataFrame], Any]] = {
    "pandas": pd.DataFrame.copy,
    "pandas-nullable": as_nullable,
    "pandas-pyarrow": as_arrow_backed,
    "polars": as_polars,
    "pyarrow": as_arrow,
}
CONTAINERS: dict[str, Callable[[pd.DataFrame], Any]] = {
    **FRAMES,
    "numpy": as_array,
    "list": lambda frame: as_array(frame).tolist(),
}


def cells(data: Any) -> list[tuple]:
    """The rows as tuples of plain Python cells, missing ones as None: the same for every container."""
    if isinstance(data, pa.Table):
        data = pl.from_arrow(data)
    if isinstance(data, pl.DataFrame):
        rows = data.rows()
    elif isinstance(data, pd.DataFrame):
        rows = as_array(data).tolist()
    else:
        rows = np.asarray(data, dtype=object).tolist()
    return [tuple(None if cell is None or cell != cell else cell for cell in row) for row in rows]


def signature(data: Any) -> Any:
    """What must not change: the kind of container, and its names and dtypes in their order."""
    if isinstance(data, pd.DataFrame):
        return pd.DataFrame, list(data.columns), list(data.dtypes)
    if isinstance(data, pl.DataFrame):
        return pl.DataFrame, data.schema
    if isinstance(data, pa.Table):
        return pa.Table, data.schema
    return type(data), getattr(data, "dtype", None)
