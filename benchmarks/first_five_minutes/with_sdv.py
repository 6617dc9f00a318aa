"""SDV's Gaussian copula on the raw frame, then rows under a condition."""

from importlib.metadata import version

from _common import TARGET, raw_table, report, timed, what_came_back


def work():
    """Learn the table, draw a first row, and ask for as many frauds as an oversampler would make."""
    with timed("import"):
        from sdv.metadata import Metadata
        from sdv.sampling import Condition
        from sdv.single_table import GaussianCopulaSynthesizer
    table, fixes = raw_table(), []
    with timed("fit"):
        metadata = Metadata.detect_from_dataframes({"payments": table})
        model = GaussianCopulaSynthesizer(metadata)
        try:
            model.fit(table)
        except Exception as error:  # a class of its own, which older versions do not have
            fixes.append({"fix": "pass a dict of tables", "after": str(error).strip().splitlines()[0][:200]})
            model.fit({"payments": table})
    with timed("first row"):
        _one_table(model.sample(1))
    n_new = len(table) - 2 * int(table[TARGET].sum())
    with timed("positives"):
        asked = Condition(num_rows=n_new, column_values={TARGET: 1})
        new = _one_table(model.sample_from_conditions([asked]))
    versions = {name: version(name) for name in ("sdv", "rdt", "pandas")}
    return {"versions": versions, "fixes": fixes, **what_came_back(table, new, n_new)}


def _one_table(sampled):
    return sampled["payments"] if isinstance(sampled, dict) else sampled


report(work)
