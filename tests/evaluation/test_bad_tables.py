"""What a user may hand in by mistake is refused by name; what is odd but right is judged rightly."""

import datetime
import decimal
import json

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse
from odd_tables import CHEAP, ROLES, N, judged, plain, three, with_column

from tabdiff.errors import ControlContaminated, InputError, SchemaError, TabdiffError
from tabdiff.evaluation import (
    Budget,
    Report,
    Verdict,
    c2st_score,
    canary_audit,
    compare,
    leak_score,
    split,
    tstr_score,
)
from tabdiff.evaluation.comparison import within_reach
from tabdiff.evaluation.report_file import SCHEMA


def objects(cells):
    return pd.Series(cells, dtype=object)


# --- tables that are no tables ---

NO_TABLES = {
    "list": [[1, 2], [3, 4]],
    "dict": {"x": [1, 2]},
    "path": "table.csv",
    "series": pd.Series([1.0, 2.0]),
    "lazy": pl.LazyFrame({"x": [1.0]}),
    "sparse": scipy.sparse.csr_matrix(np.eye(3)),
    "one dimension": np.zeros(5),
    "three dimensions": np.zeros((2, 2, 2)),
    "masked": np.ma.masked_array(np.zeros((5, 4)), mask=np.eye(5, 4, dtype=bool)),
    "no rows": plain(0),
    "no columns": plain(5)[[]],
    "twice": plain()[["x", "x"]],
}


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("table", NO_TABLES.values(), ids=NO_TABLES.keys())
def test_what_is_no_table_is_refused_with_its_role(table, role):
    with pytest.raises(InputError, match=f"`{role}`"):
        judged(three() | {role: table})


@pytest.mark.parametrize("role", ROLES)
def test_infinite_numbers_are_refused_with_column_count_and_row(role):
    tables = three()
    tables[role] = tables[role].assign(x=np.where(np.arange(N) == 7, np.inf, 0.5))
    with pytest.raises(InputError, match=rf"`{role}`: column 'x' holds 1 infinite .* row 7"):
        judged(tables)


BAD_CELLS = {
    "complex": lambda rng, n: rng.normal(size=n) + 1j,
    "lists": lambda rng, n: objects([[1, 2]] * n),
    "dicts": lambda rng, n: objects([{"a": 1}] * n),
    "tuples": lambda rng, n: objects([(1, 2)] * n),
    "periods": lambda rng, n: pd.period_range("2020-01", periods=n, freq="D"),
    "beyond 64 bits": lambda rng, n: objects([2**70 + i for i in range(n)]),
}


@pytest.mark.parametrize("make", BAD_CELLS.values(), ids=BAD_CELLS.keys())
def test_cells_that_are_no_scalars_are_refused_by_column(make):
    with pytest.raises(SchemaError, match="column 'c'"):
        judged(with_column(make))


def test_whole_numbers_that_float64_cannot_tell_apart_are_refused():
    with pytest.raises(SchemaError, match=r"column 'c' holds whole numbers .* different ones become 1\."):
        judged(with_column(lambda rng, n: 2**62 + 3 * np.arange(n) + rng.integers(3)), measures=CHEAP)


def test_large_whole_numbers_that_stay_apart_are_judged():
    tables = with_column(lambda rng, n: 10**18 + 2**20 * rng.integers(10**6, size=n))
    assert judged(tables, measures=CHEAP)["fidelity.marginal.worst"].assessable


@pytest.mark.parametrize("role", ["synthetic", "holdout"])
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.drop(columns="k"), "Lacking: \\['k'\\]"),
        (lambda t: t.assign(z=1), "Extra: \\['z'\\]"),
        (lambda t: t.assign(x=t["x"].astype(str)), "'x' holds label cells"),
        (lambda t: t.assign(y=t["y"].astype(str)), "'y' holds label cells"),
        (lambda t: t.assign(k=1.5), "'k' holds float cells"),
        (lambda t: t.assign(x=pd.Timestamp("2020-01-01")), "'x' holds datetime cells"),
    ],
)
def test_tables_that_differ_are_refused_by_table_and_column(role, change, words):
    tables = three()
    tables[role] = change(tables[role])
    with pytest.raises(SchemaError, match=f"(`{role}`.*{words}|{words}.*`{role}`)"):
        judged(tables)


@pytest.mark.parametrize("name", [np.nan, pd.NA, pd.NaT])
def test_a_column_without_a_name_is_refused(name):
    tables = three()
    for role, table in tables.items():
        tables[role] = table.set_axis([name, "amount", "k", "y"], axis=1)
    with pytest.raises(SchemaError, match="`train` has a column whose name is missing"):
        judged(tables)


# --- the control ---


def test_a_holdout_that_is_another_table_is_refused():
    tables = three()
    for other in ("train", "synthetic"):
        with pytest.raises(ControlContaminated, match=f"same object as `{other}`"):
            judged(tables | {"holdout": tables[other]})
        with pytest.raises(ControlContaminated, match="60 of 60 holdout rows"):
            judged(tables | {"holdout": tables[other].sample(frac=1, random_state=0)})


def test_a_synthetic_table_that_is_train_is_a_leak_and_no_error():
    tables = three()
    report = judged(tables | {"synthetic": tables["train"]})
    assert report.verdict.privacy == "leak detected"
    assert len(report.suspects) == N


def shifted(n=400, by=2.0):
    """A perfect sample of train's law, and a holdout of a later time."""
    tables = {role: plain(n, seed) for seed, role in enumerate(ROLES)}
    return tables | {"holdout": tables["holdout"].assign(x=lambda t: t["x"] + by)}


def test_a_holdout_of_another_law_shows_no_leak():
    report = judged(shifted())
    assert report.verdict.privacy == "not assessable"
    assert "1 of 4 columns differ, most of all 'x'" in report["privacy.mia.auc"].reason
    assert report["privacy.copies.exact"].p_value is None


def test_a_copy_of_train_is_found_by_its_rows_whatever_the_holdout_is():
    tables = shifted()
    report = judged(tables | {"synthetic": tables["train"].sample(frac=1, random_state=0)})
    assert report.verdict.privacy == "leak detected"
    assert "verbatim" in report.verdict.reasons[0]


@pytest.mark.parametrize("by", [0.0, 0.1])
def test_a_holdout_that_hardly_moves_is_a_control(by):
    assert judged(shifted(by=by), measures=["privacy.membership"])["privacy.mia.auc"].assessable


# --- arguments ---

BAD_ARGUMENTS = [
    ("budget", ["slow", None, 5, ["fast"], {}]),
    ("alpha", [0, -1, 0.5, 1, None, "0.01", np.nan, True, [0.01]]),
    ("seed", [-1, None, 1.5, True, "0", np.nan, [1], np.random.default_rng(0)]),
    ("measures", [[], ["zz"], [None], 5, [["fidelity.c2st"]]]),
    ("sensitive", [["zz"], 5, None, [["k"]]]),
    ("known", [["zz"], 5, None, [["k"]]]),
    ("group", ["zz", ["k"], {}]),
    ("target", ["zz", ["y"], {}, pd.Series([1])]),
    ("positive", [7, "1", np.nan, [1], np.array([0, 1])]),
]


@pytest.mark.parametrize(
    ("argument", "value"), [(name, value) for name, values in BAD_ARGUMENTS for value in values]
)
def test_arguments_out_of_range_are_refused_by_name(argument, value):
    with pytest.raises(InputError, match=argument):
        judged(three(), **{argument: value})


def test_arguments_that_contradict_each_other_are_refused():
    with pytest.raises(InputError, match="positive=1 is a class of no column"):
        judged(three(), target=None, positive=1)
    with pytest.raises(InputError, match="'y' is both `target` and `group`"):
        judged(three(), group="y")
    with pytest.raises(InputError, match="'x' holds numbers"):
        judged(three(), target="x", positive=1)


@pytest.mark.parametrize(
    "name", ["n_queries", "n_trees", "n_model_seeds", "n_bootstrap", "n_attacks", "n_fit"]
)
@pytest.mark.parametrize("value", [0, -1, 10.5, None, True])
def test_a_budget_of_nothing_is_refused(name, value):
    work = dict.fromkeys(("n_queries", "n_trees", "n_model_seeds", "n_bootstrap", "n_attacks", "n_fit"), 100)
    with pytest.raises(InputError, match=name):
        Budget("mine", **(work | {name: value}), reference_rows=100)


@pytest.mark.parametrize("seed", [np.int64(3), np.uint8(3), 3])
def test_numbers_of_numpy_are_numbers(seed):
    report = judged(three(), seed=seed, alpha=np.float64(0.01), measures=CHEAP)
    assert json.loads(report.to_json())["facts"]["seed"] == 3


def test_one_name_stands_for_a_list_of_one():
    comparison = compare(*three().values(), sensitive="amount", known=["x", "x"])
    assert comparison.sensitive == ("amount",) and comparison.known == ("x",)


# --- the target ---


@pytest.mark.parametrize("target", ["y", "x"])
def test_a_target_missing_in_train_is_refused_and_in_the_holdout_not(target):
    gap = {target: lambda t: t[target].where(np.arange(N) != 3)}
    tables = three()
    with pytest.raises(InputError, match=f"target '{target}' is missing in 1 of 60"):
        judged(tables | {"train": tables["train"].assign(**gap)}, target)
    report = judged(tables | {"holdout": tables["holdout"].assign(**gap)}, target, measures=["utility.tstr"])
    assert "1 of 60" in report["utility.tstr.gap"].note


@pytest.mark.parametrize(
    "change",
    [
        lambda t, seed: t.assign(y=0),
        lambda t, seed: t.assign(y=(np.arange(len(t)) == 3) * 1),
        lambda t, seed: t.assign(y=[f"u{seed}-{i}" for i in range(len(t))]),
    ],
    ids=["one class", "one positive row", "a class for each row"],
)
def test_a_target_that_cannot_be_learned_has_no_utility_and_says_why(change):
    tables = {role: change(table, role) for role, table in three().items()}
    report = judged(tables, measures=["utility.tstr", "utility.augmentation"])
    assert report.verdict.utility == "not assessable"
    assert all(not found.assessable and found.reason for found in report.estimates.values())


def test_classes_are_the_same_whatever_type_they_have():
    tables, wanted = three(200), None
    for kind in (
        "int8",
        "int64",
        "float32",
        "float64",
        "bool",
        "Int64",
        "boolean",
        "object",
        "int64[pyarrow]",
    ):
        given = tables | {"synthetic": tables["synthetic"].astype({"y": kind})}
        value = judged(given, measures=["utility.tstr"])["utility.tstr.gap"].value
        wanted = value if wanted is None else wanted
        assert value == wanted, kind


def test_a_positive_class_that_only_the_holdout_has_is_known():
    tables = three()
    tables["holdout"] = tables["holdout"].assign(y=np.arange(N) % 3)
    assert judged(tables, positive=2, measures=CHEAP).facts["positive"] == "2"


# --- few rows ---


@pytest.mark.parametrize("n", [1, 2, 3, 10])
@pytest.mark.parametrize("role", [*ROLES, "all"])
@pytest.mark.parametrize("references", [False, True])
def test_a_handful_of_rows_is_judged_by_what_can_be_said(n, role, references):
    tables = {name: table.head(n) if role in (name, "all") else table for name, table in three().items()}
    report = judged(tables, references=references)
    assert role == "synthetic" or report.verdict.privacy == "not assessable"
    assert all(found.assessable or found.reason for found in report.estimates.values())


def test_one_row_without_a_holdout_is_refused():
    with pytest.raises(InputError, match="`train` has 1 row, which cannot be halved"):
        judged({"train": plain(1), "synthetic": plain(5)})


@pytest.mark.parametrize("name", ["x", "k", "y"])
def test_a_table_of_one_column_is_faithful_to_itself(name):
    tables = {role: table[[name]] for role, table in three(300).items()}
    report = judged(tables, target=None)
    assert report.verdict.fidelity == "faithful"
    assert report.verdict.privacy != "leak detected"


# --- odd columns ---

ODD_CELLS = {
    "unique numbers": lambda rng, n: rng.permutation(10**6)[:n],
    "unique strings": lambda rng, n: [f"id{i}" for i in rng.permutation(10**6)[:n]],
    "mixed objects": lambda rng, n: objects([[1, "1", None, b"x", 2.5][i] for i in rng.integers(5, size=n)]),
    "bytes": lambda rng, n: objects([[b"a", b"\xff"][i] for i in rng.integers(2, size=n)]),
    "decimals": lambda rng, n: objects([decimal.Decimal(int(i)) / 100 for i in rng.integers(9999, size=n)]),
    "dates in a zone": lambda rng, n: pd.date_range("2020-03-28", periods=n, freq="37min", tz="Europe/Oslo"),
    "dates": lambda rng, n: objects([datetime.date(2000, 1, 1 + int(i)) for i in rng.integers(28, size=n)]),
    "ends of time": lambda rng, n: objects([datetime.date([1, 9999][i % 2], 1, 1) for i in range(n)]),
    "durations": lambda rng, n: pd.to_timedelta(rng.integers(10**6, size=n), unit="s"),
    "ordered levels": lambda rng, n: pd.Categorical(
        rng.choice(["lo", "hi"], n), ["lo", "mid", "hi"], ordered=True
    ),
    "levels of numbers": lambda rng, n: pd.Categorical(rng.choice([3, 1, 2], n)),
    "big-endian": lambda rng, n: rng.normal(size=n).astype(">f8"),
    "half precision": lambda rng, n: rng.normal(size=n).astype("float16"),
    "sparse": lambda rng, n: pd.arrays.SparseArray(rng.integers(2, size=n)),
    "gaps of all sorts": lambda rng, n: objects(
        [[np.nan, None, pd.NA, "a"][i] for i in rng.integers(4, size=n)]
    ),
    "nothing": lambda rng, n: np.full(n, np.nan),
    "nothing but None": lambda rng, n: objects([None] * n),
    "constant": lambda rng, n: np.full(n, 1.5),
    "constant with gaps": lambda rng, n: np.where(rng.random(n) < 0.5, 1.5, np.nan),
    "almost all zero": lambda rng, n: (np.arange(n) == 5) * 1.0,
    "1e300": lambda rng, n: rng.normal(size=n) * 1e300,
    "both ends of float64": lambda rng, n: rng.choice([-1.7e308, 1.7e308], n) * rng.uniform(0.9, 1, n),
    "huge and tiny": lambda rng, n: np.where(rng.random(n) < 0.5, 1e-300, 1e300) * rng.random(n),
    "denormals": lambda rng, n: rng.integers(1000, size=n) * 5e-324,
    "signed zeros": lambda rng, n: rng.choice([-0.0, 0.0], n),
    "empty strings": lambda rng, n: rng.choice(["", " ", "x"], n),
    "two spellings of one letter": lambda rng, n: rng.choice(["\u00e9", "e\u0301"], n),
    "half a letter": lambda rng, n: objects([["\ud800", "a"][i] for i in rng.integers(2, size=n)]),
    "numbers as text": lambda rng, n: rng.normal(size=n).astype(str),
}


@pytest.mark.parametrize("make", ODD_CELLS.values(), ids=ODD_CELLS.keys())
def test_an_odd_column_neither_breaks_nor_spoils_a_faithful_table(make):
    tables = with_column(make, 150)
    report = judged(tables)
    assert report.verdict.fidelity == "faithful"
    assert report.verdict.utility != "not assessable"
    assert Report.from_json(report.to_json()) == report
    assert "<html" in report.to_html()


@pytest.mark.parametrize("column", ["x", "k"])
@pytest.mark.parametrize("roles", [["synthetic"], ["train", "holdout"]])
def test_a_column_that_is_empty_on_one_side_is_a_flaw(column, roles):
    tables = three(150)
    for role in roles:
        tables[role] = tables[role].assign(**{column: None})
    report = judged(tables, measures=CHEAP)
    assert report.verdict.fidelity == "flawed"
    assert report["fidelity.missing.rate"].value == 1
    assert report["fidelity.missing.rate"].details["column"] == column


def test_a_level_that_train_lacks_is_counted():
    tables = three()
    tables["synthetic"] = tables["synthetic"].assign(k="new")
    found = judged(tables, measures=CHEAP)["fidelity.validity.new_levels"]
    assert found.value == 1 and found.details["column"] == "k"


NAMES = ["", " ", "<script>alert(1)</script>", "../../etc/passwd\n\0", 7, 2.5, True, ("a", 1), None]


@pytest.mark.parametrize("name", NAMES, ids=repr)
def test_any_name_of_a_column_will_do(name):
    tables = {}
    for role, table in three(80).items():
        names = pd.Index([*table.columns[1:], name], dtype=object, tupleize_cols=False)
        tables[role] = table[[*table.columns[1:], "x"]].set_axis(names, axis=1)
    report = judged(tables)
    assert report["fidelity.marginal.worst"].details["column"] in {
        str(each) for each in [name, "amount", "k", "y"]
    }
    page = report.to_html()
    assert "<script>alert" not in page


def test_columns_of_two_levels_are_judged_by_their_pairs():
    tables = {
        role: table.set_axis([["a", "a", "b", "b"], list("xyxz")], axis=1)
        for role, table in three(80).items()
    }
    assert judged(tables, target=("b", "z"), measures=CHEAP).facts["target"] == "('b', 'z')"


def test_many_columns_have_a_page_with_the_pairs_that_were_measured():
    tables = {}
    for seed, role in enumerate(ROLES):
        rng = np.random.default_rng(seed)
        common = rng.normal(size=(80, 1))
        tables[role] = pd.DataFrame(common + rng.normal(size=(80, 60)), columns=[f"c{i}" for i in range(60)])
    report = judged(tables, target=None, measures=["fidelity.pairs"])
    matrix = report["fidelity.pairs.score"].details["synthetic"]
    assert any(cell is None for row in matrix for cell in row)
    assert "only some pairs were measured" in report.to_html()


def test_few_distinct_rows_are_no_near_duplicates():
    def draw(seed):
        rng = np.random.default_rng(seed)
        return pd.DataFrame({name: rng.choice(list("abcd"), 300) for name in "uvw"})

    report = judged(dict(zip(ROLES, map(draw, range(3)), strict=True)), target=None)
    assert report["fidelity.diversity.near_duplicates"].floor > 0.5
    assert report.verdict.fidelity == "faithful"


# --- groups ---


def of_groups(size, start):
    return lambda t: np.arange(len(t)) // size + start


def test_groups_on_both_sides_or_too_few_leave_privacy_open():
    tables = three(200)
    for train, holdout in [((2, 0), (2, 50)), ((200, 0), (200, 1)), ((200, 0), (200, 0))]:
        given = {
            "train": tables["train"].assign(g=of_groups(*train)),
            "synthetic": tables["synthetic"].assign(g=-1),
            "holdout": tables["holdout"].assign(g=of_groups(*holdout)),
        }
        report = judged(given, group="g", measures=["privacy.membership", "privacy.copies"])
        assert report.verdict.privacy == "not assessable"
        assert "entities" in report["privacy.mia.auc"].reason


def test_rows_without_a_group_are_groups_of_their_own():
    tables = {role: table.assign(g=np.nan) for role, table in three(80).items()}
    assert judged(tables, group="g", measures=["privacy.copies"])["privacy.copies.exact"].n == 160


# --- models ---


class Model:
    def __init__(self, score):
        self.score_samples = score


def test_scores_that_are_no_numbers_are_refused():
    def fails(frame):
        raise KeyError("my column")

    for score, words in [
        (fails, "KeyError: 'my column'"),
        (lambda frame: None, r"shape \(\)"),
        (lambda frame: 1.0, r"shape \(\)"),
        (lambda frame: np.zeros((len(frame), 1)), r"shape \(60, 1\)"),
        (lambda frame: ["a"] * len(frame), "type <U1"),
        (lambda frame: np.ones(len(frame)) * 1j, "type complex128"),
    ]:
        with pytest.raises(InputError, match=f"score_samples.*{words}"):
            judged(three(), model=Model(score), measures=["privacy.whitebox"])


def test_a_model_that_spoils_its_frame_spoils_no_table():
    def spoils(frame):
        frame["x"] = 0.0
        return np.zeros(len(frame))

    tables = three()
    before = {role: table.copy() for role, table in tables.items()}
    judged(tables, model=Model(spoils), measures=["privacy.whitebox"])
    assert all(tables[role].equals(before[role]) for role in ROLES)


# --- nothing is changed ---

MAKERS = {
    "pandas": lambda t: t,
    "nullable": lambda t: t.convert_dtypes(),
    "arrow-backed": lambda t: t.convert_dtypes(dtype_backend="pyarrow"),
    "polars": pl.from_pandas,
    "pyarrow": pa.Table.from_pandas,
    "numpy": lambda t: t.to_numpy(dtype=object),
}


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS.keys())
def test_tables_are_never_changed(make):
    tables = {role: make(table) for role, table in three().items()}
    before = {role: make(table) for role, table in three().items()}
    judged(tables, target=3 if isinstance(tables["train"], np.ndarray) else "y")
    for role in ROLES:
        same = (
            tables[role].equals
            if hasattr(tables[role], "equals")
            else lambda b, a=tables[role]: (a == b).all()
        )
        assert same(before[role])


# --- the single scores ---

CALLS = {
    "split share": lambda t: split(t["train"], holdout=True),
    "split seed": lambda t: split(t["train"], seed=None),
    "split column": lambda t: split(t["train"], group=["k"]),
    "split one row": lambda t: split(plain(1)),
    "split group with gaps": lambda t: split(t["train"].assign(k=None), group="k"),
    "c2st trees": lambda t: c2st_score(t["train"], t["synthetic"], n_trees=0),
    "c2st rows": lambda t: c2st_score(t["train"], t["synthetic"], max_rows=10),
    "c2st seed": lambda t: c2st_score(t["train"], t["synthetic"], seed=-1),
    "c2st few": lambda t: c2st_score(plain(10), t["synthetic"]),
    "leak none": lambda t: leak_score(t["train"], None, t["holdout"]),
    "tstr target": lambda t: tstr_score(t["train"], t["synthetic"], None),
    "tstr metric": lambda t: tstr_score(t["train"], t["synthetic"], "y", metric="auc"),
    "tstr seed": lambda t: tstr_score(t["train"], t["synthetic"], "y", random_state=-1),
    "canary number": lambda t: canary_audit(lambda table: table, t["train"], n_canaries=10.5),
    "canary share": lambda t: canary_audit(lambda table: table, t["train"], share_guessed=None),
    "canary delta": lambda t: canary_audit(lambda table: table, t["train"], delta=-1),
    "canary level": lambda t: canary_audit(lambda table: table, t["train"], level=1),
    "canary generator": lambda t: canary_audit(None, t["train"]),
    "canary result": lambda t: canary_audit(lambda table: (table, 1, 2), t["train"]),
    "canary model": lambda t: canary_audit(lambda table: (table, 5), t["train"]),
    "canary rows": lambda t: canary_audit(lambda table: table.head(0), t["train"]),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
def test_single_scores_refuse_what_evaluate_refuses(call):
    with pytest.raises(TabdiffError):
        call(three())


# --- reports that were kept ---


@pytest.fixture(scope="module")
def kept():
    return judged(three(), measures=CHEAP).to_dict()


SPOILT = {
    "newer": lambda d: d | {"schema_version": 2},
    "older": lambda d: d | {"schema_version": 0},
    "version true": lambda d: d | {"schema_version": True},
    "other": lambda d: d | {"schema": "x"},
    "cut": lambda d: {"schema": SCHEMA, "schema_version": 1},
    "no verdict": lambda d: d | {"verdict": None},
    "verdict of a number": lambda d: d | {"verdict": d["verdict"] | {"privacy": 1}},
    "reasons of one text": lambda d: d | {"verdict": d["verdict"] | {"reasons": "abc"}},
    "estimates": lambda d: d | {"estimates": [1]},
    "estimate": lambda d: d | {"estimates": {"a": None}},
    "estimate without name": lambda d: d | {"estimates": {"a": {"value": 1.0}}},
    "estimate of another name": lambda d: d | {"estimates": {"a": {"name": "b", "value": 1.0}}},
    "value of text": lambda d: d | {"estimates": {"a": {"name": "a", "value": "1"}}},
    "value of nan": lambda d: d | {"estimates": {"a": {"name": "a", "value": np.nan}}},
    "details": lambda d: d | {"estimates": {"a": {"name": "a", "value": 1.0, "details": None}}},
    "references": lambda d: d | {"references": {"copy": None}},
    "facts": lambda d: d | {"facts": [1]},
    "a list": lambda d: [d],
}


@pytest.mark.parametrize("spoil", SPOILT.values(), ids=SPOILT.keys())
def test_a_spoilt_report_is_refused(kept, spoil):
    with pytest.raises(InputError):
        Report.from_dict(spoil(kept))


@pytest.mark.parametrize(
    "source", ["", "{", "[1]", "/nowhere/x.json", "/", 5, None, b"{}", "a\0b", '{"a":' * 10**5]
)
def test_what_is_no_kept_report_is_refused(source):
    with pytest.raises(InputError):
        Report.from_json(source)


@pytest.mark.parametrize("path", ["", 5, True, b"x", ["x"], "/", "/nowhere/x.html", "a\0b.html", "x" * 300])
def test_a_path_that_cannot_be_written_is_refused(path):
    report = Report({}, Verdict("faithful", "helps", "not assessable"))
    for write in (report.to_html, report.to_json):
        with pytest.raises(InputError):
            write(path)


def test_huge_numbers_keep_their_order_and_small_ones_their_value():
    cells = np.array([-1.7e308, -1e300, -1e100, -1.0, 0.0, 5e-324, 1e100, 1.0001e100, 1.7e308])
    near = within_reach(cells)
    assert (np.diff(near) > 0).all() and np.isfinite(near**2).all()
    assert (near[2:7] == cells[2:7]).all()
    assert np.isnan(within_reach(np.array([np.nan, 1e200]))[0])
