"""XGBoost, which only two of the published scores need, imported when it is called for."""

from __future__ import annotations

from typing import Any

from tabdiff.errors import InputError

__all__ = ["import_xgboost"]


def import_xgboost(score: str) -> Any:
    """The module `xgboost`; raises `InputError`, a `ValueError`, that tells how to install it.

    score: the name of the function that needs it.
    """
    try:
        import xgboost
    except ImportError as error:
        raise InputError(
            f"`{score}` needs the package xgboost, which cannot be imported ({error}). "
            "Install it with: pip install 'tabdiff[published]'"
        ) from error
    return xgboost
