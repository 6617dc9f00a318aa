"""Small real tables that ship with the package, so that examples and tests need no network.

`make_transactions`, `make_card_histories` and `make_cylinder_bell_funnel` draw from known laws instead.

Each table is a Parquet file in `data/` with a JSON file of the same name beside it, which holds the
target column, a description, the licence, the citation and the source. What was changed against the
published files is written in the README.md of this folder.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any, Literal, overload

from tabdiff.datasets.known_histories import make_card_histories
from tabdiff.datasets.known_law import make_transactions
from tabdiff.datasets.known_shapes import make_cylinder_bell_funnel

__all__ = [
    "Dataset",
    "load_air_quality",
    "load_credit_default",
    "load_fraud",
    "make_card_histories",
    "make_cylinder_bell_funnel",
    "make_transactions",
]

Library = Literal["pandas", "polars", "pyarrow"]


@dataclass(frozen=True, eq=False)
class Dataset:
    """A table with its target, and what one must know before using it.

    Parameters
    ----------
    name : str
        Short name, that of the loader without ``load_``.
    frame : pandas.DataFrame, polars.DataFrame or pyarrow.Table
        All columns, the target last.
    target : str
        Name of the target column.
    description : str
        What the rows and columns are, and how they differ from the published table.
    licence : str
        Licence of the data; the licence of the code does not extend to it.
    citation : str
        What to cite when results on this table are published.
    source : str
        Address of the published table.

    Examples
    --------
    >>> from tabdiff.datasets import load_fraud
    >>> data = load_fraud()
    >>> data
    Dataset(name='fraud', target='Class', licence='DbCL 1.0')
    >>> data.X.shape, data.y.name
    ((30000, 30), 'Class')
    """

    name: str
    frame: Any = field(repr=False)
    target: str
    description: str = field(repr=False)
    licence: str
    citation: str = field(repr=False)
    source: str = field(repr=False)

    @property
    def X(self) -> Any:
        """The frame without its target column, of the same library as `frame`."""
        import narwhals as nw

        return nw.from_native(self.frame).drop(self.target).to_native()

    @property
    def y(self) -> Any:
        """The target column: a pandas or polars Series, or a pyarrow ChunkedArray."""
        import narwhals as nw

        return nw.from_native(self.frame)[self.target].to_native()


@overload
def load_fraud(library: Library = ..., *, return_X_y: Literal[False] = ...) -> Dataset: ...
@overload
def load_fraud(library: Library = ..., *, return_X_y: Literal[True]) -> tuple[Any, Any]: ...
def load_fraud(library: Library = "pandas", *, return_X_y: bool = False) -> Dataset | tuple[Any, Any]:
    """Load card transactions of two days in September 2013, of which 492 are frauds.

    30,000 rows, sorted by `Time`: all 492 frauds of the published table and a random sample of its
    legitimate rows. The fraud rate is therefore 1.64 %, not the natural 0.172 %.

    Parameters
    ----------
    library : {"pandas", "polars", "pyarrow"}, default="pandas"
        Data-frame library of the result.
    return_X_y : bool, default=False
        Return ``(X, y)`` instead of a `Dataset`.

    Returns
    -------
    Dataset or tuple
        Features, all float64: `Time` (seconds since the first transaction), `V1` to `V28` (principal
        components, rounded to 6 decimals) and `Amount`. Target: `Class`, int64, 1 for a fraud. Every
        call reads the file again, so what is done to one result does not reach another.

    Raises
    ------
    ValueError
        If `library` is not one of the three.

    Notes
    -----
    Source: Dal Pozzolo et al. 2015, doi 10.1109/SSCI.2015.33; DbCL 1.0.

    Examples
    --------
    >>> from tabdiff.datasets import load_fraud
    >>> load_fraud().frame["Class"].value_counts().to_dict()
    {0: 29508, 1: 492}
    >>> X, y = load_fraud("polars", return_X_y=True)
    >>> X.shape, y.sum()
    ((30000, 30), 492)
    """
    return _load("fraud", library, return_X_y)


@overload
def load_credit_default(library: Library = ..., *, return_X_y: Literal[False] = ...) -> Dataset: ...
@overload
def load_credit_default(library: Library = ..., *, return_X_y: Literal[True]) -> tuple[Any, Any]: ...
def load_credit_default(
    library: Library = "pandas", *, return_X_y: bool = False
) -> Dataset | tuple[Any, Any]:
    """Load 30,000 card holders of a bank in Taiwan, of whom 6,636 defaulted in the next month.

    The whole published table of 2005, numbers and categories mixed, without its id column.

    Parameters
    ----------
    library : {"pandas", "polars", "pyarrow"}, default="pandas"
        Data-frame library of the result.
    return_X_y : bool, default=False
        Return ``(X, y)`` instead of a `Dataset`.

    Returns
    -------
    Dataset or tuple
        Features: `SEX`, `EDUCATION` and `MARRIAGE` as categories with readable levels; `LIMIT_BAL`,
        `BILL_AMT*` and `PAY_AMT*` in whole New Taiwan dollars, `AGE` in years and the repayment status
        `PAY_*` in months of delay, all int64. Target: `default_next_month`, int64, 1 for a default; the
        published name is "default payment next month". Every call reads the file again, so what is done
        to one result does not reach another.

    Raises
    ------
    ValueError
        If `library` is not one of the three.

    Notes
    -----
    Source: Yeh & Lien 2009, doi 10.1016/j.eswa.2007.12.020; UCI #350; CC BY 4.0.

    Examples
    --------
    >>> from tabdiff.datasets import load_credit_default
    >>> data = load_credit_default()
    >>> data.frame["MARRIAGE"].cat.categories.tolist()
    ['married', 'single', 'others', 'undocumented 0']
    >>> int(data.y.sum())
    6636
    """
    return _load("credit_default", library, return_X_y)


@overload
def load_air_quality(library: Library = ..., *, return_X_y: Literal[False] = ...) -> Dataset: ...
@overload
def load_air_quality(library: Library = ..., *, return_X_y: Literal[True]) -> tuple[Any, Any]: ...
def load_air_quality(library: Library = "pandas", *, return_X_y: bool = False) -> Dataset | tuple[Any, Any]:
    """Load hourly readings of 12 air-quality stations in Beijing, November 2016 to February 2017.

    A long frame of series: 2,880 rows for each station, station after station in the order of time, with
    3,823 missing cells. It is the last 120 days of the four years that were published.

    Parameters
    ----------
    library : {"pandas", "polars", "pyarrow"}, default="pandas"
        Data-frame library of the result.
    return_X_y : bool, default=False
        Return ``(X, y)`` instead of a `Dataset`.

    Returns
    -------
    Dataset or tuple
        Features: `station`, a category; `time`, the hour in local time without a time zone; `PM10`, `SO2`,
        `NO2`, `CO` and `O3` in micrograms per cubic metre; `TEMP` and `DEWP`, temperature and dew point in
        degrees Celsius, `PRES` in hPa, `RAIN` in mm; `wd`, a category of 16 directions of the wind; and
        `WSPM`, its speed in m/s. Target: `PM2.5` in micrograms per cubic metre. All numbers are float64.
        Every call reads the file again, so what is done to one result does not reach another.

    Raises
    ------
    ValueError
        If `library` is not one of the three.

    Notes
    -----
    Source: Zhang et al. 2017, doi 10.1098/rspa.2017.0457; UCI #501; CC BY 4.0.

    Examples
    --------
    >>> from tabdiff.datasets import load_air_quality
    >>> frame = load_air_quality().frame
    >>> frame.shape, frame["station"].nunique(), int(frame["PM2.5"].isna().sum())
    ((34560, 14), 12, 371)
    """
    return _load("air_quality", library, return_X_y)


def _load(name: str, library: str, return_X_y: bool) -> Dataset | tuple[Any, Any]:
    """Read one shipped table with its metadata; `library` is checked before a file is opened."""
    if library not in tuple(_CONVERTERS):
        options = ", ".join(map(repr, _CONVERTERS))
        raise ValueError(f"Unknown library {library!r}. Choose one of {options}.")
    meta = json.loads(_read_bytes(f"{name}.json"))
    dataset = Dataset(name=name, frame=_CONVERTERS[library](_read_table(name)), **meta)
    return (dataset.X, dataset.y) if return_X_y else dataset


def _read_bytes(file_name: str) -> bytes:
    return (files(__name__) / "data" / file_name).read_bytes()


def _read_table(name: str) -> Any:
    """Return the table as a new pyarrow.Table, decimal columns as float64."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(pa.BufferReader(_read_bytes(f"{name}.parquet")))
    for i, column in enumerate(table.schema):
        if pa.types.is_decimal(column.type):
            table = table.set_column(i, column.name, _decimal_to_float(table.column(i)))
    return table


def _decimal_to_float(column: Any) -> Any:
    """Return the float64 nearest to each decimal of a ChunkedArray."""
    import pyarrow as pa

    # through text, because the direct cast misses the nearest float by one bit in a third of the values
    return column.cast(pa.string()).cast(pa.float64())


def _to_pandas(table: Any) -> Any:
    return table.to_pandas()


def _to_polars(table: Any) -> Any:
    import polars as pl

    return pl.from_arrow(table)


def _to_pyarrow(table: Any) -> Any:
    return table


_CONVERTERS: dict[str, Callable[[Any], Any]] = {
    "pandas": _to_pandas,
    "polars": _to_polars,
    "pyarrow": _to_pyarrow,
}
