"""tabdiff's generator on the raw frame: fit, a first row, then frauds on demand."""

from _common import TARGET, raw_table, report, timed, what_came_back


def work():
    """Learn the table and ask for as many frauds as the sampler would make."""
    with timed("import"):
        from tabdiff import TableSynthesizer, __version__
    table = raw_table()
    with timed("fit"):
        model = TableSynthesizer(target=TARGET, random_state=0).fit(table)
    with timed("first row"):
        model.sample(1)
    n_new = len(table) - 2 * int(table[TARGET].sum())
    with timed("positives"):
        new = model.sample(n_new, where={TARGET: 1})
    return {"versions": {"tabdiff": __version__}, "fixes": [], **what_came_back(table, new, n_new)}


report(work)
