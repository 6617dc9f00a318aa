"""tabdiff's sampler on the raw frame: one line."""

from _common import TARGET, raw_table, report, timed, what_came_back


def work():
    """Balance the classes; the first row is there when all are."""
    with timed("import"):
        from tabdiff import DiffusionOverSampler, __version__
    table = raw_table()
    X, y = table.drop(columns=TARGET), table[TARGET]
    with timed("fit"):
        sampler = DiffusionOverSampler(random_state=0)
        X_res, y_res = sampler.fit_resample(X, y)
    new = X_res.assign(**{TARGET: y_res})[sampler.synthetic_mask_]
    n_new = len(y) - 2 * int(y.sum())
    return {"versions": {"tabdiff": __version__}, "fixes": [], **what_came_back(table, new, n_new)}


report(work)
