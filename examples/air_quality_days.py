"""Learn days of air-quality stations, draw new ones, go on from mornings, fill gaps, and see how good it is.

Each day of a station is a series of 24 hours: pollutants, weather and the direction of the wind, with missing
cells. Learned are days from November to January; all is judged on those of February, which come later.

    python examples/air_quality_days.py                   a few seconds: shows the path, not the quality
    python examples/air_quality_days.py --full            all stations and sensors, full training
    python examples/air_quality_days.py --plot days.png   also draws real and new days side by side
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tabdiff import SeriesSynthesizer, evaluate
from tabdiff.datasets import load_air_quality

CONTEXT = ["station"]
ASKED = "PM2.5"
SENSORS = ["O3", "TEMP", "WSPM", "wd", ASKED]
HELD_OUT_FROM = pd.Timestamp("2017-02-01")
MORNING = 12  # hours that are given to the forecast
GAP = range(9, 13)  # hours whose PM2.5 is hidden and filled again
N_SHOWN = 12


def main(argv: Sequence[str] | None = None) -> None:
    """Learn, draw, go on, fill, judge, and print what was found."""
    args = parse_arguments(argv)
    days = station_days(None if args.full else 2, None if args.full else SENSORS)
    is_later = days["time"] >= HELD_OUT_FROM
    train, later = days[~is_later].reset_index(drop=True), days[is_later].reset_index(drop=True)
    print(
        f"train: {train['day'].nunique():,} days of stations; held out: {later['day'].nunique()} of February"
    )

    model = SeriesSynthesizer(
        "day",
        "time",
        CONTEXT,
        random_state=0,
        max_steps=None if args.full else 40,
        max_seconds=args.seconds,
        verbose=args.full,
    ).fit(train)
    print(f"learned: {model.history_.n_steps:,} steps in {model.history_.seconds:.0f} s")

    drawn = model.sample(later["day"].nunique(), random_state=1)
    empty, empty_later = (table.isna().to_numpy().sum() for table in (drawn, later))
    print(f"drawn: {drawn['day'].nunique()} new days; {empty} cells are missing, in February {empty_later}")
    print(drawn.head(5).to_string(index=False))

    n_draws = 20 if args.full else 3
    print(f"\n{ASKED} of February, mean absolute error in micrograms per cubic metre ({n_draws} draws)")
    print_errors(f"hours {MORNING} to 23, given those before", forecast_errors(model, train, later, n_draws))
    print_errors(f"hours {GAP[0]} to {GAP[-1]}, given all others", imputation_errors(model, later, n_draws))

    report = evaluate(
        train=train,
        synthetic=drawn,
        holdout=later,
        entity="day",
        time="time",
        context=CONTEXT,
        budget="standard" if args.full else "fast",
        references=False,
        measures=["series.lengths", "series.order", "series.structure", "series.nearest"],
    )
    print_scores(report)
    if not args.full:
        print("A few steps of training show the path, not what tabdiff can do: for that, --full.")
    if args.plot is not None:
        draw_days({"real": later, "synthetic": drawn}, args.plot)


def parse_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--full", action="store_true", help="all stations and sensors, full training")
    parser.add_argument("--seconds", type=float, help="at most so many seconds of training")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="save a picture of days")
    return parser.parse_args(argv)


def station_days(n_stations: int | None, sensors: list[str] | None) -> pd.DataFrame:
    """The long frame of days: `day` names the series, `station` is what it keeps."""
    table = load_air_quality().frame
    sensors = sensors or [name for name in table.columns if name not in ("station", "time")]
    chosen = table["station"].unique()[:n_stations]
    table = table[table["station"].isin(chosen)]
    station = table["station"].astype(str)
    # the date alone would make one series of the same day of all stations
    days = {
        "day": station + " " + table["time"].dt.strftime("%Y-%m-%d"),
        "time": table["time"],
        "station": station,
    }
    return pd.DataFrame(days | {name: table[name] for name in sensors})


def forecast_errors(model: Any, train: Any, later: Any, n_draws: int) -> dict[str, float]:
    """Of afternoons, given the mornings: the median of the draws, and two forecasts that learn nothing."""
    is_morning = later["time"].dt.hour < MORNING
    mornings, afternoons = later[is_morning], later[~is_morning]
    draws = [
        model.forecast(mornings, horizon=24 - MORNING, random_state=seed).set_index(["day", "time"])[ASKED]
        for seed in range(n_draws)
    ]
    truth = afternoons.set_index(["day", "time"])[ASKED]
    of_day, of_time = truth.index.get_level_values("day"), truth.index.get_level_values("time")
    last = mornings.groupby("day")[ASKED].last()  # the last that is not missing
    usual = train.groupby(train["time"].dt.hour)[ASKED].median()
    return {
        "tabdiff": error(pd.concat(draws, axis=1).median(axis=1).reindex(truth.index), truth),
        "the last value stays": error(last.reindex(of_day), truth),
        "usual of the hour": error(usual.reindex(of_time.hour), truth),
    }


def imputation_errors(model: Any, later: Any, n_draws: int) -> dict[str, float]:
    """Of hidden cells within days: the median of the draws, and the straight line between neighbours."""
    hidden = later["time"].dt.hour.isin(GAP) & later[ASKED].notna()
    holes = later.assign(**{ASKED: later[ASKED].mask(hidden)})
    draws = [model.impute(holes, random_state=seed)[ASKED] for seed in range(n_draws)]
    between = holes.groupby("day", sort=False)[ASKED].transform(
        lambda day: day.interpolate(limit_direction="both")
    )
    return {
        "tabdiff": error(pd.concat(draws, axis=1).median(axis=1)[hidden], later[ASKED][hidden]),
        "straight line": error(between[hidden], later[ASKED][hidden]),
    }


def error(found: Any, truth: Any) -> float:
    """Mean absolute difference, over the cells that both have."""
    return float(np.nanmean(np.abs(np.asarray(found, dtype=float) - truth.to_numpy())))


def print_errors(title: str, errors: dict[str, float]) -> None:
    """Print what was forecast or filled, and the error of each way."""
    print(f"{title:<32} " + "   ".join(f"{name} {value:.1f}" for name, value in errors.items()))


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
    print("0 is best, of the ratio 1; real are days of the months that were learned, not of February.")


def draw_days(tables: dict[str, Any], path: Path) -> None:
    """Save a picture: one line for each day, its fine dust above and its ozone below."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        print("\nNo picture: matplotlib is not installed (pip install matplotlib).")
        return

    figure = Figure(figsize=(11, 6), layout="constrained")
    shown = [ASKED, "O3"]
    grid = figure.subplots(len(shown), len(tables), sharex=True, sharey="row")
    for column, (title, table) in enumerate(tables.items()):
        names = np.random.default_rng(0).permutation(table["day"].unique())[:N_SHOWN]
        for axis, sensor in zip(grid[:, column], shown, strict=True):
            for number, name in enumerate(names):
                day = table[table["day"] == name]
                axis.plot(day["time"].dt.hour, day[sensor], color=f"C{number % 10}", alpha=0.8)
        grid[0, column].set_title(f"{N_SHOWN} {title} days")
        grid[-1, column].set_xlabel("hour")
    for axis, sensor in zip(grid[:, 0], shown, strict=True):
        axis.set_ylabel(sensor)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    print(f"\nPicture: {path}")


if __name__ == "__main__":
    main()
