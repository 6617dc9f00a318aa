"""MOSTLY's engine on the raw frame, with a minute of training, then rows with the fraud flag given."""

from importlib.metadata import version

from _common import TARGET, raw_table, report, timed, what_came_back


def work():
    """Learn the table, draw a first row, and ask for as many frauds as an oversampler would make."""
    with timed("import"):
        import pandas as pd
        from mostlyai.engine import TabularARGN
    # seen with 2.7.3 in a new environment; it cannot be seen once it is fixed, so it is written down here
    fixes = [
        {
            "fix": "remove torchvision and torchaudio from the environment",
            "after": "import: operator torchvision::nms does not exist, with the CPU build of torch",
        }
    ]
    table = raw_table()
    with timed("fit"):
        model = TabularARGN(max_training_time=1, random_state=0, verbose=0)  # minutes
        model.fit(table)
    with timed("first row"):
        model.sample(n_samples=1)
    n_new = len(table) - 2 * int(table[TARGET].sum())
    with timed("positives"):
        new = model.sample(seed_data=pd.DataFrame({TARGET: [1] * n_new}))
    versions = {name: version(name) for name in ("mostlyai-engine", "torch", "pandas")}
    return {"versions": versions, "fixes": fixes, **what_came_back(table, new, n_new)}


report(work)
