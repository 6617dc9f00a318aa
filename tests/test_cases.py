"""Series of cases: read from arrays and lists, given back in the same container and dtype, or refused."""

import numpy as np
import pytest

from tabdiff.errors import InputError
from tabdiff.frames.cases import is_cases, read_cases, with_new_cases

ARRAY = np.arange(24.0).reshape(2, 3, 4)
RAGGED = [np.array([[1.0, 2.0, 3.0], [4.0, np.nan, 6.0]]), np.array([[7.0], [8.0]])]


def test_an_array_is_read_step_by_step():
    cases = read_cases(ARRAY)
    assert len(cases) == 2
    assert cases.n_channels == 3
    assert cases.lengths.tolist() == [4, 4]
    assert cases.offsets.tolist() == [0, 4, 8]
    assert cases.values[0].tolist() == [0, 4, 8]  # first timepoint of the three channels
    np.testing.assert_array_equal(cases.case(1), ARRAY[1].T)


def test_a_list_of_unequal_lengths_is_read():
    cases = read_cases(RAGGED)
    assert cases.lengths.tolist() == [3, 1]
    np.testing.assert_array_equal(cases.values, [[1, 4], [2, np.nan], [3, 6], [7, 8]])
    np.testing.assert_array_equal(cases.case(1), [[7, 8]])


@pytest.mark.parametrize("dtype", ["f8", "f4", "f2", ">f4", "i8", "i2", "u1", "?"])
@pytest.mark.parametrize("in_list", [False, True])
def test_cases_come_back_in_container_and_dtype(dtype, in_list):
    X = (ARRAY % 5).astype(dtype)
    X = list(X) if in_list else X
    cases = read_cases(X)
    again = cases.rebuild([cases.case(1), cases.case(0)])
    assert type(again) is type(X)
    for new, old in zip(again, [X[1], X[0]], strict=True):
        assert new.dtype == old.dtype
        np.testing.assert_array_equal(new, old)


def test_lists_keep_unequal_lengths():
    cases = read_cases(RAGGED)
    again = cases.rebuild([cases.case(0), cases.case(1)])
    assert [case.shape for case in again] == [(2, 3), (2, 1)]
    np.testing.assert_array_equal(again[0], RAGGED[0])


def test_a_list_of_several_dtypes_is_written_in_the_one_that_holds_all():
    cases = read_cases([np.array([[1, 2]], dtype="i2"), np.array([[0.5]], dtype="f4")])
    assert cases.rebuild([np.array([[0.5]])])[0].dtype == np.float32


@pytest.mark.parametrize(
    ("dtype", "numbers", "expected"),
    [
        ("i4", [0.4, 0.6, -1.7], [0, 1, -2]),
        ("u1", [-3.0, 255.4, 1e9], [0, 255, 255]),
        ("i8", [1e300, -1e300, 5.0], [2**63 - 1, -(2**63), 5]),
        ("?", [0.4, 0.6, 1.7], [False, True, True]),
        ("f4", [1e300, -1e300, 0.5], [np.finfo("f4").max, np.finfo("f4").min, 0.5]),
    ],
)
def test_numbers_become_the_nearest_of_the_dtype(dtype, numbers, expected):
    cases = read_cases(np.zeros((1, 1, 3), dtype=dtype))
    assert cases.rebuild([np.array(numbers)[:, None]])[0, 0].tolist() == expected


def test_no_new_case():
    assert read_cases(ARRAY).rebuild([]).shape == (0, 3, 4)
    assert read_cases(RAGGED).rebuild([]) == []


@pytest.mark.parametrize("dtype", ["f4", ">f8", "i2"])
def test_new_cases_come_behind_the_old_ones(dtype):
    X = ARRAY.astype(dtype)
    both = with_new_cases(X, X[:1] + X.dtype.type(1))
    assert both.dtype == X.dtype
    assert both[:2].tobytes() == X.tobytes()
    np.testing.assert_array_equal(both[2], X[0] + 1)
    listed = with_new_cases(RAGGED, [RAGGED[1]])
    assert listed[0] is RAGGED[0]
    assert len(listed) == 3
    assert len(RAGGED) == 2


def test_what_holds_series_and_what_rows():
    assert is_cases(ARRAY)
    assert is_cases(RAGGED)
    assert not is_cases(ARRAY[0])
    assert not is_cases([[1, 2], [3, 4]])
    assert not is_cases([np.arange(3), np.arange(3)])
    assert not is_cases([])
    assert not is_cases(None)


def refused(X, *words):
    with pytest.raises(InputError) as caught:
        read_cases(X)
    message = str(caught.value)
    assert not [word for word in words if word not in message], message


def test_other_shapes_are_refused():
    refused(np.arange(3.0), "1 dimensions", "(n_cases, n_channels, n_timepoints)")
    refused(np.zeros((2, 2, 2, 2)), "4 dimensions")
    refused([np.zeros((2, 2)), np.zeros(3)], "case 1", "(3,)")
    refused([np.zeros((2, 2)), [[1.0]]], "case 1", "list")
    refused("series", "str")
    refused([], "no case")
    refused(np.zeros((0, 2, 3)), "no case")
    refused([np.zeros((2, 2)), np.zeros((2, 0))], "case 1", "(2, 0)", "empty")


def test_channels_that_differ_are_refused_with_a_hint_where_axes_look_swapped():
    refused([np.zeros((2, 5)), np.zeros((3, 4))], "2 channels", "case 1 has 3", "(3, 4)")
    refused([np.zeros((50, 2)), np.zeros((40, 2))], "(n_timepoints, n_channels)", "case.T")


def test_what_is_no_real_number_is_refused():
    refused(ARRAY.astype(complex), "complex128", "case 0")
    refused(ARRAY.astype(object), "object")
    refused(ARRAY.astype("M8[s]"), "datetime64")
    refused([ARRAY[0], ARRAY[1].astype(str)], "case 1")


def test_infinite_values_are_refused_and_missing_ones_are_not():
    X = ARRAY.copy()
    X[1, 2, 3] = -np.inf
    refused(X, "1 infinite", "-inf", "case 1", "channel 2", "NaN")
    refused(np.full((1, 9, 2), np.inf), "18 infinite", "9 channels and 2 timepoints", "swap the axes")
    X[1, 2, 3] = np.nan
    assert np.isnan(read_cases(X).values).sum() == 1
