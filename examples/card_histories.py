"""Learn card histories, draw those of new customers, and see how near they come to real ones.

The histories are drawn from a law that is known, so that every score stands beside what more histories of the
same law score: the floor, which is as good as it gets.

    python examples/card_histories.py                        a few seconds: shows the path, not the quality
    python examples/card_histories.py --full                 trains as long as suits the table's size
    python examples/card_histories.py --plot histories.png   also draws real and new histories side by side
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tabdiff import SeriesSynthesizer, evaluate
from tabdiff.datasets import make_card_histories

CONTEXT = ["segment", "stolen"]
N_SHOWN = 12


def main(argv: Sequence[str] | None = None) -> None:
    """Learn, draw, judge, and print what was found."""
    args = parse_arguments(argv)
    n, days = (400, 60) if args.full else (60, 30)
    train, holdout = (make_card_histories(n, days, random_state=seed) for seed in (0, 1))
    print(f"train: {len(train):,} transactions of {n} customers in {days} days; as many held out")

    model = SeriesSynthesizer(
        "customer",
        "time",
        CONTEXT,
        target="stolen",
        random_state=0,
        max_steps=None if args.full else 60,
        max_seconds=args.seconds,
        verbose=args.full,
    ).fit(train)
    print(f"learned: {model.history_.n_steps:,} steps in {model.history_.seconds:.0f} s")

    drawn = model.sample(n, random_state=1)
    robbed = model.sample(5, where={"stolen": True}, random_state=2)
    print(f"drawn: {len(drawn):,} transactions of {n} new customers, and {len(robbed):,} of 5 who are robbed")
    print(drawn.head(8).to_string(index=False))

    report = evaluate(
        train=train,
        synthetic=drawn,
        holdout=holdout,
        entity="customer",
        time="time",
        context=CONTEXT,
        budget="standard" if args.full else "fast",
        references=False,
        measures=["series.lengths", "series.time", "series.order", "series.structure", "series.nearest"],
    )
    print_scores(report)
    if args.plot is not None:
        draw_histories({"real": holdout, "synthetic": drawn}, args.plot)


def parse_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--full", action="store_true", help="400 customers, full training")
    parser.add_argument("--seconds", type=float, help="at most so many seconds of training")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="save a picture of histories")
    return parser.parse_args(argv)


def print_scores(report: Any) -> None:
    """Print each score beside its floor, and beside what shuffled steps score where there is such a thing."""
    print(f"\n{'score':<32} {'synthetic':>9} {'95 % interval':>16} {'real':>7} {'shuffled':>9}")
    for name in report:
        found = report[name]
        if found.value is None:
            print(f"{name:<32} not assessable: {found.reason}")
            continue
        interval = "" if found.lo is None else f"{found.lo:.3f} to {found.hi:.3f}"
        floor = "" if found.floor is None else f"{found.floor:.3f}"
        control = "" if found.bad is None or name == "series.nearest.ratio" else f"{found.bad:.3f}"
        print(f"{name:<32} {found.value:>9.3f} {interval:>16} {floor:>7} {control:>9}".rstrip())
    print("0 is best, of the ratio 1; what real series score in the same place is as good as it gets.")


def draw_histories(tables: dict[str, Any], path: Path) -> None:
    """Save a picture: one line for each customer, a dot for each purchase, coloured by its category."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        print("\nNo picture: matplotlib is not installed (pip install matplotlib).")
        return

    figure = Figure(figsize=(11, 4), layout="constrained")
    axes = figure.subplots(1, len(tables), sharex=True, sharey=True)
    categories = sorted(set().union(*(table["category"] for table in tables.values())))
    for axis, (title, table) in zip(axes, tables.items(), strict=True):
        customers = {customer: place for place, customer in enumerate(table["customer"].unique()[:N_SHOWN])}
        shown = table[table["customer"].isin(list(customers))]
        for number, category in enumerate(categories):
            own = shown[shown["category"] == category]
            axis.scatter(
                own["time"].to_numpy(),
                own["customer"].map(customers),
                s=own["amount"].clip(8, 300) / 4,
                color=f"C{number}",
                alpha=0.7,
                label=category,
            )
        axis.set_title(f"{N_SHOWN} {title} customers")
        axis.tick_params(axis="x", rotation=30)
    axes[0].set_yticks([])
    axes[0].set_ylabel("customers")
    axes[-1].legend(loc="center left", bbox_to_anchor=(1, 0.5))
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    print(f"\nPicture: {path}")


if __name__ == "__main__":
    main()
