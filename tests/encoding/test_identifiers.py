"""New identifiers are written like those of the column, never repeat, and are none of them."""

import re
import uuid

import numpy as np
import pandas as pd
import pytest
from columns_of import column, labels, rng
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_released import everything_in

from tabdiff import frames
from tabdiff.encoding.columns import IdentifierCodec, fit_codec
from tabdiff.encoding.formats import TextFormat, beyond, find_format
from tabdiff.encoding.permutations import permuted
from tabdiff.encoding.table import TableEncoder
from tabdiff.errors import ConditionError, SchemaError
from tabdiff.schema import Kind, infer_schema
from tabdiff.wanted import Wanted

FEW = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
INT64 = np.iinfo(np.int64)


def words(alphabet, low, high, n=300, seed=0):
    """N different words."""
    draw, out = rng(seed), set()
    while len(out) < n:
        out.add("".join(draw.choice(list(alphabet), draw.integers(low, high + 1))))
    return sorted(out)


UUIDS = [str(uuid.UUID(bytes=rng(i).bytes(16), version=4)) for i in range(300)]
# what is given, and the pattern of what is made
TEXTS = {
    "zero-padded": ([f"CUST_{i:06d}" for i in rng().permutation(300)], r"CUST_\d{6}"),
    "with an end": ([f"acc-{i}/AT" for i in range(1000, 1300)], r"acc-\d{4,}/AT"),
    "unpadded": ([f"user{i}" for i in range(300)], r"user[1-9]\d{2,}"),
    "digits alone": ([f"{i:013d}" for i in rng().integers(10**12, 10**13, 300)], r"\d{13}"),
    "uuid": (UUIDS, r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"),
    "upper uuid": (
        [u.upper() for u in UUIDS],
        r"[0-9A-F]{8}-.{4}-4[0-9A-F]{3}-[89AB].{3}-[0-9A-F]{12}",
    ),
    "hash": ([rng(i).bytes(20).hex() for i in range(300)], r"[0-9a-f]{40}"),
    "short hash": ([rng(i).bytes(3).hex() for i in range(300)], r"[0-9a-f]{7,}"),
    "invoice": ([f"INV-{2020 + i % 5}-{i:05d}" for i in range(300)], r"INV-202\d-00\d{4,}"),
    "plate": ([f"W {i:03d} {w}" for i, w in enumerate(words("ABCDEF", 2, 2, 30))], r"W 0\d\d [A-Z]{3,}"),
    "base 36": (words("0123456789ABCXYZ", 8, 8), r"[0-9A-Z]{9,}"),
    "mixed case": (words("abcXYZ019", 20, 24), r"[0-9a-zA-Z]{20,24}"),
    "mail": ([w + "@mail.example" for w in words("abcdef", 4, 9)], r"[a-z]{10,}@mail\.example"),
    "free text": ([w.replace("a", " ") + "!" for w in words("abcde", 9, 30)], r"[a-z0-9]{11,32}"),
    "no letters": (["ä" * (i + 1) for i in range(40)], r"[a-z]+"),
    "one typo": ([*(f"P{i:05d}" for i in range(299)), "Q-17"], r"P\d{5}"),
}


@pytest.mark.parametrize(("texts", "pattern"), TEXTS.values(), ids=TEXTS.keys())
def test_texts_are_new_different_and_written_alike(texts, pattern):
    codec = IdentifierCodec.fit(labels(texts))
    fresh = np.concatenate([codec.series.fresh(first, 5_000, rng(first)) for first in (0, 5_000, 10_000)])
    assert len(set(fresh.tolist())) == 15_000
    assert not set(fresh.tolist()) & set(texts)
    wrong = [text for text in fresh.tolist() if not re.fullmatch(pattern, text)]
    assert not wrong
    assert not set(everything_in(codec)) & set(texts)


@FEW
@given(
    st.lists(st.text(max_size=12), min_size=1, max_size=60, unique=True)
    | st.lists(st.from_regex(r"[A-C]-[0-9]{1,2}[a-b]?", fullmatch=True), min_size=1, max_size=60, unique=True)
    | st.lists(st.from_regex(r"[0-9a-f]{2,3}", fullmatch=True), min_size=1, max_size=60, unique=True),
    st.booleans(),
)
def test_any_texts_get_new_and_different_ones(texts, small):
    found = find_format(texts, True, len(texts) if small else 1000)
    parts = [found.fresh(first, 700, rng(first)).tolist() for first in (0, 700)]
    assert len(set(parts[0] + parts[1])) == 1400
    assert not set(parts[0] + parts[1]) & set(texts)
    extended = found.including(texts) or found
    assert not set(extended.fresh(0, 700, rng()).tolist()) & set(texts)


def test_more_rows_than_texts_of_a_length_make_longer_ones():
    texts = [a + b for a in "abcde" for b in "vwxyz"]
    fresh = IdentifierCodec.fit(labels(texts)).series.fresh(0, 26**3 + 1000, rng())
    assert len(set(fresh.tolist())) == len(fresh)
    assert np.bincount(np.char.str_len(fresh)).tolist() == [0, 0, 0, 26**3, 1000]


def test_ten_million_rows_can_be_named_in_parts():
    series = IdentifierCodec.fit(labels(TEXTS["short hash"][0])).series
    parts = [series.fresh(first, 2_000, rng(first)) for first in range(0, 10_000_000, 1_000_000)]
    again = series.fresh(3_000_000, 2_000, rng(3_000_000))
    assert len(set(np.concatenate(parts).tolist())) == 20_000
    assert again.tolist() == parts[3].tolist()


def test_texts_that_repeat_get_random_ones_in_the_format():
    zips = [f"{z:04d}" for z in rng().integers(1010, 9999, 2000)]
    codec = IdentifierCodec.fit(labels(zips))
    assert isinstance(codec.series, TextFormat) and not codec.series.unique
    fresh = codec.series.fresh(0, 20_000, rng()).tolist()
    assert all(re.fullmatch(r"\d{4}", text) for text in fresh) and 7_000 < len(set(fresh)) < 10_000


def test_few_texts_of_many_rows_are_not_imitated():
    col = labels(["secret-1", "secret-2", *[None] * 998])
    assert not any("secret" in str(x) for x in everything_in(IdentifierCodec.fit(col)))


def test_a_long_column_is_judged_by_a_part_of_it_but_avoids_all():
    texts = [f"U{i:07d}" for i in range(120_000)]
    assert find_format(texts, True, 120_000).fresh(0, 2, rng()).tolist() == ["U0120000", "U0120001"]


# --- numbers ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cells", "first"),
    [
        (rng().permutation(300) + 70_001, 70_301),
        (-np.arange(300), 1),
        (np.arange(100) * 3, 298),
        (np.arange(100) * 250 + 7, 24_800),  # the exact maximum is not told
        (np.arange(90_000, 99_901, 990), 99_901),  # there is room for five digits
        (np.array([5]), 6),
    ],
)
def test_numbers_count_on(cells, first):
    codec = IdentifierCodec.fit(column(cells))
    assert codec.series.fresh(0, 3, rng()).tolist() == [first, first + 1, first + 2]
    assert codec.series.fresh(100_000, 1, rng()).tolist() == [first + 100_000]


@FEW
@given(st.lists(st.integers(INT64.min, INT64.max), min_size=1, max_size=30, unique=True))
def test_numbers_are_new_whatever_is_taken(cells):
    codec = IdentifierCodec.fit(column(np.array(cells)))
    fresh = codec.series.fresh(0, 1000, rng())
    assert fresh.dtype == np.int64
    assert len(set(fresh.tolist())) == 1000 and not set(fresh.tolist()) & set(cells)


def test_whole_floats_stay_floats():
    codec = fit_codec(column([3.0, 1.0, 2.0]), Kind.IDENTIFIER)
    values = codec.series.fresh(0, 2, rng())
    assert values.dtype == np.float64 and values.tolist() == [4.0, 5.0]


def test_counting_on_is_rounded_up_within_the_digits():
    assert beyond(np.array([0, 1000, 2000])) == 3000
    assert beyond(np.array([8, 9])) == 10
    assert (
        beyond(np.array([94_999, 95_000, 99_500])) == 99_501 or beyond(np.array([50_000, 99_500])) == 99_501
    )


# --- permutations -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 2, 3, 10, 17, 256, 1000, 4097])
def test_every_number_of_a_range_is_met_once(size):
    assert np.sort(permuted(np.arange(size), size, 5)).tolist() == list(range(size))


def test_the_order_is_scattered_and_depends_on_the_key():
    places = permuted(np.arange(10_000), 2**62, 1).astype(float) / 2**62
    assert abs(np.corrcoef(places[:-1], places[1:])[0, 1]) < 0.04
    assert np.histogram(places, 10, (0, 1))[0] == pytest.approx(np.full(10, 1000), abs=120)
    assert (permuted(np.arange(99), 2**40, 1) != permuted(np.arange(99), 2**40, 2)).all()
    huge = permuted(np.arange(2**40, 2**40 + 1000), 2**62, 1)
    assert len(np.unique(huge)) == 1000 and huge.max() < 2**62


# --- missing cells, conditions, tables --------------------------------------------------------------------


def test_missing_identifiers_come_back_as_a_level():
    col = column(np.arange(40), [3, 4])
    codec = IdentifierCodec.fit(col)
    assert (codec.n_levels, codec.missing_level) == ((2,), 1)
    values, missing = codec.decode(codec.encode(col, rng()), rng(), first_row=100)
    assert np.flatnonzero(missing).tolist() == [3, 4]
    assert values.tolist() == list(range(140, 180))
    with pytest.raises(SchemaError, match="2 missing values but had none in fit"):
        IdentifierCodec.fit(column(np.arange(40))).encode(col, rng())


def test_no_certain_identifier_can_be_asked_for():
    col = column(np.arange(40), range(10))
    codec = IdentifierCodec.fit(col)
    with pytest.raises(ConditionError, match=r"no cell of column 'x' can be one of \[5\]"):
        codec.draw_cells(Wanted(values=np.array([5])), 1, rng(), col)
    with pytest.raises(ConditionError, match="at least 5"):
        codec.draw_cells(Wanted(low=5), 1, rng(), col)
    assert codec.draw_cells(Wanted(observed=False, missing=True), 3, rng())[1].all()
    assert codec.draw_cells(Wanted(missing=True), 10_000, rng())[1].mean() == pytest.approx(0.25, abs=0.02)
    assert not codec.draw_cells(Wanted(), 100, rng())[1].any()


def test_a_table_gets_new_labels_in_a_new_column_of_labels():
    frame = pd.DataFrame(
        {
            "key": [f"A-{i:03d}" for i in range(60)],
            "id": np.arange(60) + 5,
            "city": ["Graz", "Linz", "Wien"] * 20,
            "mail": [None, *(f"{w}@x.at" for w in words("abcdefgh", 5, 5, 59))],
        }
    )
    cells, template = frames.read(frame)
    encoder = TableEncoder.fit(cells, infer_schema(cells))
    assert [one.levels for one in encoder.templates] == [(), (), ("Graz", "Linz", "Wien"), ()]
    assert encoder.n_levels == [3, 2]
    assert encoder.feature_of("city") == 0 and encoder.feature_of("mail") == 1
    assert encoder.feature_of("id") is None and encoder.missing_levels() == [(1, 1)]
    batch = encoder.encode(cells, rng())
    decoded = encoder.decode(batch, rng(), first_row=10)
    assert all(isinstance(level, str) for one in decoded for level in one.levels)
    out = template.rebuild(decoded)
    assert out.dtypes.equals(frame.dtypes)
    assert out["key"].tolist() == [f"A-{i:03d}" for i in range(70, 130)]
    assert out["id"].tolist() == list(range(75, 135))
    assert out["city"].tolist() == frame["city"].tolist()
    assert out["mail"].isna().tolist() == frame["mail"].isna().tolist()
    assert out["mail"].dropna().str.fullmatch(r"[a-z]{6,}@x\.at").all()
    assert encoder.decode(batch[:0], rng())[0].levels == ()
    with pytest.raises(SchemaError, match=r"no column 'town'. Columns: \['key', 'id', 'city', 'mail'\]"):
        encoder.feature_of("town")


# --- more rows --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "more", "first"),
    [
        ([f"C{i:04d}" for i in range(50)], [f"C{i:04d}" for i in range(70, 80)], "C0080"),
        ([f"C{i:04d}" for i in range(50)], ["C0007"], "C0050"),
        ([f"C{i:04d}" for i in range(50)], [f"D-{i}" for i in range(30)], "D-30"),
        ([f"C{i:04d}" for i in range(50)], ["else"], "C0050"),
        (list(range(50)), [80, 90], 91),
        (list(range(50)), [7], 50),
    ],
)
def test_identifiers_go_on_after_those_of_new_rows(before, more, first):
    if isinstance(first, str):
        levels = tuple(sorted({*before, *more}))
        before, more = labels(before, levels=levels), labels(more, levels=levels)
    else:
        before, more = column(np.array(before)), column(np.array(more))
    codec = IdentifierCodec.fit(before).extended(more)
    assert codec.series.fresh(0, 1, rng()).tolist() == [first]
    assert codec.n_rows == len(before) + len(more)


def test_random_texts_are_longer_than_those_of_new_rows():
    before, more = words("abc", 3, 3, 25), [w + "cc" for w in words("abc", 3, 3, 25)]
    levels = tuple(sorted({*before, *more}))
    codec = IdentifierCodec.fit(labels(before, levels=levels)).extended(labels(more, levels=levels))
    assert set(np.char.str_len(codec.series.fresh(0, 100, rng()))) == {6}


def test_cells_that_are_missing_in_new_rows_get_a_level():
    codec = IdentifierCodec.fit(column(np.arange(50)))
    longer = codec.extended(column(np.arange(50, 60), [0, 1, 2]))
    assert (codec.n_levels, longer.n_levels, longer.missing_level, longer.n_missing) == ((), (2,), 1, 3)
