"""Values come back from a file as they were, and a file can name nothing that the program does not offer."""

import contextlib
import dataclasses
import datetime as dt
import decimal
import json
import math
import uuid
import zoneinfo
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from typing import Any, Literal, Protocol

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tabdiff.errors import StorageError
from tabdiff.storage.fields import fits
from tabdiff.storage.packing import Packer
from tabdiff.storage.scalars import SCALARS


class Colour(StrEnum):
    RED = "r"
    BLUE = "b"


@dataclass(frozen=True)
class Point:
    x: int
    y: float = 0.0
    colour: Colour = Colour.RED
    names: tuple[Hashable, ...] = ()


@dataclass(frozen=True)
class Cloud:
    points: tuple[Point, ...]
    weights: np.ndarray
    kernel: Callable[[float], float] | None = None


@dataclass
class Doubled:
    value: int
    double: int = field(init=False, default=0)

    def __post_init__(self):
        self.double = 2 * self.value


def square(x: float) -> float:
    return x * x


PACKER = Packer([Colour, Point, Cloud, Doubled], {"square": square})


def through_a_file(value, packer=PACKER):
    data, tensors = packer.pack(value)
    return packer.unpack(json.loads(json.dumps(data, allow_nan=False)), tensors)


def assert_same(a, b):
    """Equal in value, in every type and in order; NaN equals NaN."""
    assert type(a) is type(b)
    if isinstance(a, np.ndarray):
        assert a.dtype == b.dtype and a.shape == b.shape
        if a.dtype == object:
            assert_same(a.ravel().tolist(), b.ravel().tolist())
        else:
            np.testing.assert_array_equal(a, b)
    elif isinstance(a, list | tuple):
        assert len(a) == len(b)
        for left, right in zip(a, b, strict=True):
            assert_same(left, right)
    elif isinstance(a, dict):
        assert_same(list(a.items()), list(b.items()))
    elif dataclasses.is_dataclass(a):
        for one in dataclasses.fields(a):
            assert_same(getattr(a, one.name), getattr(b, one.name))
    elif isinstance(a, float) and math.isnan(a):
        assert math.isnan(b)
    elif isinstance(a, float):
        assert a.hex() == b.hex()
    else:
        assert a == b or (a != a and b != b)


VIENNA = zoneinfo.ZoneInfo("Europe/Vienna")
VALUES = {
    "None": None,
    "booleans": [True, False],
    "integers": [0, -1, 2**63 - 1, -(2**63), 2**63, -(2**63) - 1, 10**5000],
    "floats": [0.1, -0.0, 5e-324, 1.7976931348623157e308, float("inf"), float("-inf"), float("nan"), 2.0],
    "text": ["", "ä", "\x00", "\U0001f600", "\ud83d\ude00", "lone \ud800"],
    "bytes": [b"", b"\x00\xff"],
    "dates": [dt.date(1, 1, 1), dt.date(9999, 12, 31)],
    "times": [dt.time(), dt.time(23, 59, 59, 999999), dt.time(1, tzinfo=dt.UTC, fold=1)],
    "datetimes": [
        dt.datetime(1, 1, 1),
        dt.datetime(2020, 10, 25, 2, 30, tzinfo=VIENNA, fold=1),
        dt.datetime(2020, 1, 1, 0, 0, 0, 7, tzinfo=dt.timezone(dt.timedelta(hours=-3, microseconds=1))),
    ],
    "durations": [dt.timedelta(-1, 2, 3), dt.timedelta.max, dt.timedelta.min],
    "decimals": [decimal.Decimal("1.50"), decimal.Decimal("-1E+100"), decimal.Decimal("NaN")],
    "others": [uuid.UUID(int=5), VIENNA, dt.UTC],
    "containers": {"list": [1, [2]], "tuple": (1, (2,), []), "set": {3, 1}, "frozen": frozenset({"a", (1,)})},
    "keys": {1: "a", None: "b", ("t", 2): "c", "d": {"$": "int", "value": "7"}, 0.5: {}},
    "scalars of NumPy": [
        *(np.float32(0.1), np.float64(0.1), np.float16(0.5), np.float64("nan"), np.bool_(True)),
        *(np.int8(-3), np.uint64(2**64 - 1), np.str_("a"), np.bytes_(b"a")),
        *(np.datetime64("NaT"), np.datetime64("2020-02-29", "D"), np.timedelta64(-5, "ns")),
    ],
    "dtypes": [np.dtype(float), np.dtype(">i2"), np.dtype("M8[ns]"), np.dtype("U7")],
    "arrays": [
        *(np.arange(6).reshape(2, 3).T, np.array(3.5), np.zeros((0, 2)), np.array([True, False])),
        *(np.array([0.1, np.nan, -0.0], dtype=np.float32), np.array([1.5], dtype=">f8")),
        *(np.array([2**64 - 1], dtype=np.uint64), np.array([1, 2, 3, 4])[::2]),
        *(np.array(["2020", "NaT"], dtype="M8[D]"), np.array([1, -5], dtype=">m8[ns]")),
        *(np.array([["b", "ä"], ["", "c"]]), np.array([b"x", b"yy"])),
        np.array([None, "a", 1, (1, 2), np.nan], dtype=object),
        np.fromiter([(1, 2), (3, 4)], dtype=object, count=2),
    ],
    "classes": Cloud((Point(1), Point(2, 0.5, Colour.BLUE, ("a", 1))), np.array([1.0, 2.0]), square),
    "a field that is no argument": Doubled(4),
}


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES.keys())
def test_values_come_back_as_they_were(value):
    assert_same(through_a_file(value), value)


PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters())
    | st.binary()
    | st.dates()
    | st.datetimes()
    | st.times()
    | st.timedeltas()
    | st.decimals(allow_nan=False),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(st.text(max_size=3) | st.integers() | st.just("$"), inner, max_size=4)
    ),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(PLAIN)
def test_any_plain_value_comes_back_as_it_was(value):
    assert_same(through_a_file(value), value)


def test_random_streams_go_on_where_they_were():
    generator, state = np.random.default_rng(3), np.random.RandomState(3)
    seed = np.random.SeedSequence([1, 2**70], spawn_key=(4,))
    generator.random(5), state.normal(size=3), seed.spawn(2)
    again = through_a_file([generator, state, seed])
    assert again[0].random() == generator.random()
    assert again[1].normal() == state.normal()
    assert [s.generate_state(2).tolist() for s in again[2].spawn(2)] == [
        s.generate_state(2).tolist() for s in seed.spawn(2)
    ]


def test_the_same_value_is_the_same_bytes():
    one = {"set": frozenset({"b", "a", (2,)}), "array": np.arange(3), "t": (1,)}
    other = {"set": frozenset({(2,), "a", "b"}), "array": np.arange(3), "t": (1,)}
    assert json.dumps(PACKER.pack(one)[0]) == json.dumps(PACKER.pack(other)[0])


def test_arrays_read_are_their_own_and_can_be_written_to():
    array = np.array([1.0, 2.0])
    read = through_a_file(array)
    read[0] = 9.0
    assert array[0] == 1.0


# --- what cannot be written ---------------------------------------------------------------------------------


class Unknown:
    pass


@dataclass(frozen=True)
class Unregistered:
    x: int = 0


class Shade(Enum):
    DARK = 1


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (Unknown(), "test_packing.Unknown"),
        (Unregistered(), "Unregistered"),
        (Shade.DARK, "Shade"),
        (1j, "complex"),
        (np.array([1j]), "complex128"),
        (np.complex64(1), "complex64"),
        (np.zeros(2, dtype=[("a", int)]), r"\[\('a'"),
        (np.ma.masked_array([1.0], [True]), "float64|masked"),
        (range(3), "builtins.range"),
        (lambda row: row, "is code"),
        (np.random.default_rng, "is code"),
        (dt.datetime(2020, 1, 1, tzinfo=type("Zone", (dt.tzinfo,), {})()), "time zone"),
        (np.random.Generator(np.random.MT19937(0)), "MT19937"),
    ],
)
def test_a_value_of_an_unknown_type_is_refused_with_its_place(value, message):
    with pytest.raises(StorageError, match=message) as caught:
        PACKER.pack({"rest": [0, value]})
    assert "['rest'][1]" in str(caught.value)


def test_a_value_that_holds_itself_is_refused():
    loop = []
    loop.append(loop)
    with pytest.raises(StorageError, match="deeper than 64"):
        PACKER.pack(loop)


def test_two_classes_of_one_name_are_refused():
    with pytest.raises(StorageError, match="'Point'"):
        Packer([Point, type("Point", (), {})])


# --- what a file may not say --------------------------------------------------------------------------------


def tagged(tag, value):
    return {"$": tag, "value": value}


def made(name, **fields):
    return tagged("object", {"class": name, "fields": fields})


ONE = {"array.0": np.array([1, 2])}
ARRAY = {"dtype": "<i8", "shape": [2], "tensor": "array.0"}
POINT = {"x": 1, "y": 0.5, "colour": tagged("enum", ["Colour", "RED"]), "names": tagged("tuple", [])}
BAD = {
    "an unknown tag": (tagged("pickle", "gASVKg=="), {}),
    "a tag that is no text": (tagged(["int"], "0x1"), {}),
    "a tag without a value": ({"$": "int"}, {}),
    "a tag with more": ({"$": "int", "value": "0x1", "x": 1}, {}),
    "an import path": (made("os.system", command="true"), {}),
    "a class that is not registered": (made("Unregistered", x=1), {}),
    "an enum as an object": (made("Colour", value="r"), {}),
    "an object as an enum": (tagged("enum", ["Point", "x"]), {}),
    "no member of the enum": (tagged("enum", ["Colour", "__class__"]), {}),
    "a function by import path": (tagged("function", "os.system"), {}),
    "a field that is missing": (made("Point", x=1), {}),
    "a field too many": (made("Point", **POINT, z=1), {}),
    "a field of another type": (made("Point", **POINT | {"x": "1"}), {}),
    "a boolean for a number": (made("Point", **POINT | {"x": True}), {}),
    "an item of another type": (
        made("Cloud", points=tagged("tuple", [1]), weights=tagged("array", ARRAY), kernel=None),
        ONE,
    ),
    "text for an array": (made("Cloud", points=tagged("tuple", []), weights="x", kernel=None), {}),
    "an array without its tensor": (tagged("array", ARRAY), {}),
    "a tensor used twice": ([tagged("array", ARRAY)] * 2, ONE),
    "a tensor that nothing uses": (1, ONE),
    "a tensor of another dtype": (tagged("array", ARRAY | {"dtype": "<f8"}), ONE),
    "a tensor of another shape": (tagged("array", ARRAY | {"shape": [1, 2]}), ONE),
    "a negative shape": (tagged("array", ARRAY | {"shape": [-2]}), ONE),
    "a shape of truth values": (tagged("array", {"dtype": "|O", "shape": [True], "items": [1]}), {}),
    "a record dtype": (tagged("array", ARRAY | {"dtype": "i4,i4"}), ONE),
    "an object dtype": (tagged("dtype", "O"), {}),
    "text as wide as memory": (tagged("array", {"dtype": "<U999999999", "shape": [1], "items": ["a"]}), {}),
    "too few items": (tagged("array", {"dtype": "|O", "shape": [2], "items": [1]}), {}),
    "an endless empty array": (tagged("array", {"dtype": "|O", "shape": [0, 10**30], "items": []}), {}),
    "numbers among text": (tagged("array", {"dtype": "<U1", "shape": [1], "items": [1]}), {}),
    "no integer": (tagged("int", "__import__('os')"), {}),
    "no float": (tagged("float", "1.5"), {}),
    "no bytes": (tagged("bytes", "*"), {}),
    "no date": (tagged("date", "2020-13-01"), {}),
    "a zone outside its folder": (tagged("zone", "../../../../etc/passwd"), {}),
    "no scalar of NumPy": (tagged("numpy", ["<i8", "1"]), {}),
    "a scalar out of range": (tagged("numpy", ["|i1", 1000]), {}),
    "fresh seeds": (tagged("seeds", {"entropy": None, "spawn_key": [], "pool_size": 4}), {}),
    "seeds of a huge pool": (tagged("seeds", {"entropy": 1, "spawn_key": [], "pool_size": 2**40}), {}),
    "a key twice": (tagged("dict", [[1, 2], [1, 3]]), {}),
    "a key that is a list": (tagged("dict", [[[], 2]]), {}),
    "deep nesting": (json.loads("[" * 200 + "]" * 200), {}),
}


@pytest.mark.parametrize(("data", "tensors"), BAD.values(), ids=BAD.keys())
def test_what_pack_does_not_write_is_refused(data, tensors):
    with pytest.raises(StorageError):
        PACKER.unpack(data, tensors)


TAGS = ["int", "float", "text", "tuple", "set", "frozenset", "dict", "array", "dtype", "enum", "object"]
TAGS += ["function", "numpy", *(scalar.tag for scalar in SCALARS)]


@settings(max_examples=200, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=4),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.fixed_dictionaries(
                {
                    "$": st.sampled_from(TAGS),
                    "value": inner,
                }
            )
        ),
        max_leaves=8,
    )
)
def test_whatever_a_file_says_is_read_or_refused(data):
    with contextlib.suppress(StorageError):
        PACKER.unpack(data, {})


def test_booleans_of_any_byte_become_true_or_false():
    odd = np.array([0, 1, 2, 255], dtype=np.uint8).view(bool)
    data = tagged("array", {"dtype": "|b1", "shape": [4], "tensor": "array.0"})
    assert PACKER.unpack(data, {"array.0": odd}).view(np.uint8).tolist() == [0, 1, 1, 1]


# --- annotations --------------------------------------------------------------------------------------------


class Speaks(Protocol):
    def speak(self) -> str: ...


@pytest.mark.parametrize(
    ("hint", "good", "bad"),
    [
        (int, [1, np.int64(2)], [True, 1.0, "1", None]),
        (float, [1.5, 1, np.float32(2)], [True, "1", None]),
        (bool, [True], [1, None]),
        (str, ["a", Colour.RED], [b"a", 1]),
        (int | None, [None, 3], ["a"]),
        (Literal["a", 1], ["a", 1], ["b", True]),
        (tuple[int, ...], [(), (1, 2)], [(1, "a"), [1]]),
        (tuple[int, str], [(1, "a")], [(1,), ("a", 1)]),
        (list[float], [[], [1.0]], [(1.0,), ["a"]]),
        (Sequence[str], [["a"], ("a",)], ["a", [1]]),
        (Mapping[str, int], [{}, {"a": 1}], [{1: 1}, {"a": "b"}, []]),
        (frozenset[str], [frozenset({"a"})], [frozenset({1}), {"a"}]),
        (Hashable, [1, ("a",), None], [[], {}]),
        (Callable[[int], int], [square], [1]),
        (np.ndarray, [np.zeros(1)], [[0.0]]),
        (Speaks, [Point(1), square], ["a", 1, None]),
        (Any, [1, "a", None], []),
    ],
)
def test_values_fit_annotations(hint, good, bad):
    assert all(fits(value, hint) for value in good)
    assert not any(fits(value, hint) for value in bad)
