"""Judging synthetic tables: needs no model of ours, only the tables.

published   the Shape and Trend errors that papers print, kept to one frozen version
"""

from tabdiff.evaluation.published import column_shapes, pair_trends, shape_error, trend_error

__all__ = ["column_shapes", "pair_trends", "shape_error", "trend_error"]
