"""tabdiff: everything in the standard budget."""

import sys
from pathlib import Path

sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != Path(__file__).parent]
from tabdiff import __version__, evaluate  # noqa: E402  (this file would hide the package)

sys.path.append(str(Path(__file__).parent))
from _common import report, tables  # noqa: E402


def work():
    """The whole report, reference tables included."""
    train, holdout, synthetic = tables()
    found = evaluate(train=train, holdout=holdout, synthetic=synthetic, target="fraud")
    names = (
        "fidelity.pairs.score",
        "fidelity.c2st.auc",
        "privacy.mia.auc",
        "privacy.copies.exact",
        "utility.tstr.gap",
    )
    answers = {name: found[name].value for name in names}
    rooms = ("fidelity", "utility", "privacy")
    return __version__, answers | {room: getattr(found.verdict, room) for room in rooms}


report(work)
