"""Templates as plain values, for files, and back.

What a template consists of is said in words: library, names, dtypes, and how cells are written. No row is
part of it, nor anything that is executed when it is read.
"""

from __future__ import annotations

import decimal
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa

from tabdiff.errors import StorageError
from tabdiff.frames.arrow import without_rows
from tabdiff.frames.forms import Form
from tabdiff.frames.saved_pandas import (
    SCALARS,
    dtype_from_plain,
    dtype_to_plain,
    index_from_plain,
    index_to_plain,
)
from tabdiff.frames.saved_types import arrow_from_plain, arrow_to_plain, polars_from_plain, polars_to_plain
from tabdiff.frames.template import RowTemplate, Template

__all__ = ["SCALARS", "template_from_plain", "template_to_plain"]

_NULLS = (float, np.generic, decimal.Decimal, type(pd.NA), type(pd.NaT))
_TABLES = {"pyarrow.Table": pa.Table, "pyarrow.RecordBatch": pa.RecordBatch}

Withheld = Mapping[int, Collection[Any]]


def template_to_plain(template: Template | RowTemplate, withheld: Withheld | None = None) -> dict[str, Any]:
    """Say in plain values how to rebuild a frame.

    withheld: position of a column to labels that may not be written, such as those that few rows held. They
    are left out of the categories that the column declares; rows with them can then no longer be rebuilt.
    Plain values are Python's and NumPy's own, and the pandas scalars in `SCALARS`; NumPy arrays hold long
    lists of labels. Metadata of an Arrow schema are kept as they are.

    Raises `StorageError` for dtypes that have no such form, as those of other libraries.
    """
    if isinstance(template, RowTemplate):
        return {"library": "list", "array": template_to_plain(template.array, withheld)}
    empty = template.empty
    hidden = {place: frozenset(labels) for place, labels in (withheld or {}).items()}
    forms = [
        [None if form.type is None else arrow_to_plain(form.type), _null_of(form)] for form in template.forms
    ]
    if isinstance(empty, np.ndarray):
        return {"library": "numpy", "dtype": dtype_to_plain(empty.dtype), "forms": forms}
    if isinstance(empty, pd.DataFrame):
        return {"library": "pandas", **_pandas_to_plain(empty, hidden), "forms": forms}
    if isinstance(empty, pl.DataFrame):
        return {"library": "polars", **_polars_to_plain(empty, hidden), "forms": forms}
    library = next(name for name, kind in _TABLES.items() if isinstance(empty, kind))
    return {"library": library, **_schema_to_plain(empty.schema), "forms": forms}


def template_from_plain(plain: Any) -> Template | RowTemplate:
    """The template of `template_to_plain`; raises `StorageError` for anything else."""
    try:
        if plain["library"] == "list":
            return RowTemplate(_template_from(plain["array"]))
        return _template_from(plain)
    except Exception as error:  # whatever the libraries say to values that nobody vouches for
        raise StorageError(
            f"the file does not say how to rebuild a frame: {error!r:.200}. Save the model again."
        ) from error


def _null_of(form: Form) -> Any:
    return form.null if isinstance(form.null, _NULLS) else None


def _template_from(plain: Any) -> Template:
    forms = tuple(_form_from(*form) for form in plain["forms"])
    library = plain["library"]
    if library == "numpy":
        empty: Any = np.empty((0, len(forms)), dtype=dtype_from_plain(plain["dtype"]))
    elif library == "pandas":
        empty = _empty_pandas(plain)
    elif library == "polars":
        kinds = [polars_from_plain(kind) for kind in plain["dtypes"]]
        empty = pl.DataFrame(schema=dict(zip(plain["names"], kinds, strict=True)))
    else:
        empty = without_rows(_schema_from(plain).empty_table(), _TABLES[library])
    if empty.shape != (0, len(forms)):
        raise ValueError(f"{len(forms)} columns, but {empty.shape[1]} names")
    return Template(empty, forms)


def _form_from(kind: Any, null: Any) -> Form:
    if null is not None and not (isinstance(null, _NULLS) and pd.isna(null)):
        raise ValueError(f"no missing cell: {null!r:.80}")
    return Form(None if kind is None else arrow_from_plain(kind), null)


def _refused(name: Any, error: TypeError) -> StorageError:
    return StorageError(
        f"column {name!r}: {error} has no form in a saved model. Convert the column to a type of NumPy, "
        "pandas, polars or pyarrow itself, and fit again."
    )


def _pandas_to_plain(empty: pd.DataFrame, withheld: Withheld) -> dict[str, Any]:
    dtypes = []
    for i, (name, dtype) in enumerate(zip(empty.columns, empty.dtypes, strict=True)):
        try:
            dtypes.append(dtype_to_plain(dtype, withheld.get(i, ())))
        except TypeError as error:
            raise _refused(name, error) from error
    try:
        return {"columns": index_to_plain(empty.columns), "dtypes": dtypes}
    except TypeError as error:
        raise StorageError(f"the column names: {error} has no form in a saved model. Rename them.") from error


def _empty_pandas(plain: Any) -> pd.DataFrame:
    dtypes = [dtype_from_plain(dtype) for dtype in plain["dtypes"]]
    frame = pd.DataFrame({i: _empty_series(dtype) for i, dtype in enumerate(dtypes)}, copy=False)
    frame.columns = index_from_plain(plain["columns"])
    return frame


def _empty_series(dtype: Any) -> pd.Series:
    if isinstance(dtype, np.dtype):
        return pd.Series(np.empty(0, dtype=dtype), dtype=dtype)
    return pd.Series([], dtype=dtype)


def _polars_to_plain(empty: pl.DataFrame, withheld: Withheld) -> dict[str, Any]:
    dtypes = []
    for i, (name, dtype) in enumerate(empty.schema.items()):
        try:
            dtypes.append(polars_to_plain(dtype, withheld.get(i, ())))
        except TypeError as error:
            raise _refused(name, error) from error
    return {"names": empty.columns, "dtypes": dtypes}


def _schema_to_plain(schema: pa.Schema) -> dict[str, Any]:
    fields = [
        [field.name, arrow_to_plain(field.type), field.nullable, _metadata_to_plain(field.metadata)]
        for field in schema
    ]
    return {"fields": fields, "metadata": _metadata_to_plain(schema.metadata)}


def _metadata_to_plain(metadata: Mapping[bytes, bytes] | None) -> dict[bytes, bytes] | None:
    return None if metadata is None else dict(metadata)


def _schema_from(plain: Any) -> pa.Schema:
    fields = [
        pa.field(name, arrow_from_plain(kind), nullable=nullable, metadata=metadata)
        for name, kind, nullable, metadata in plain["fields"]
    ]
    return pa.schema(fields, metadata=plain["metadata"])
