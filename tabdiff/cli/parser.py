"""The command line, `tabdiff fit | sample | impute | resample | evaluate | info`: its words and its errors.

Only what reads the words stands here, so that `tabdiff --help` imports next to nothing; what the commands do
stands in `commands`.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import traceback
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

from tabdiff.cli import texts
from tabdiff.errors import TabdiffError

__all__ = ["build_parser", "main"]

BAD_VERDICT, BAD_INPUT, INTERRUPTED, CLOSED_PIPE = 1, 2, 130, 141


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code. Wrong usage and --help raise `SystemExit`, as argparse does."""
    parser = build_parser()
    args = parser.parse_args(argv)
    if args.command is None:
        parser.print_help(sys.stderr)
        return BAD_INPUT
    try:
        with _warnings_as_notes():
            from tabdiff.cli import commands

            return getattr(commands, args.command)(args)
    except KeyboardInterrupt:
        _say("interrupted: nothing was written.")
        return INTERRUPTED
    except BrokenPipeError:  # whoever read our output has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return CLOSED_PIPE
    except Exception as error:
        _say_error(args, error)
        return BAD_INPUT


def _say_error(args: argparse.Namespace, error: Exception) -> None:
    """One paragraph on what the user can mend; the whole trace of what is our fault, or if it is wanted."""
    expected = isinstance(error, TabdiffError | OSError | ValueError | MemoryError)
    if args.traceback or not expected:
        sys.stderr.write(traceback.format_exc())
    message = " ".join(str(error).split()) or type(error).__name__
    fault = "" if expected else f"this is a fault of tabdiff ({type(error).__name__}), please report it: "
    _say(f"tabdiff {args.command}: error: {fault}{message}")


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")


@contextlib.contextmanager
def _warnings_as_notes() -> Iterator[None]:
    """Show a warning as one line, without the place in the code."""

    def show(message: Any, *_: Any, **__: Any) -> None:
        _say(f"note: {' '.join(str(message).split())}")

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield


# --- the words ----------------------------------------------------------------------------------------------


def build_parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="tabdiff",
        description=texts.DESCRIPTION,
        epilog=texts.EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action=_Version)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    for name, (summary, add_words) in COMMANDS.items():
        description, epilog = (getattr(texts, name.upper() + part) for part in ("", "_EPILOG"))
        add_words(_command(commands, name, summary, description, epilog))
    return parser


class _Version(argparse.Action):
    """Print the version and end."""

    def __init__(self, option_strings: Sequence[str], dest: str, **_: Any):
        super().__init__(option_strings, argparse.SUPPRESS, nargs=0, help="show the version and exit")

    def __call__(self, parser: argparse.ArgumentParser, *_: Any, **__: Any) -> None:
        from importlib import import_module

        sys.stdout.write(f"tabdiff {import_module('tabdiff').__version__}\n")
        parser.exit()


def _command(commands: Any, name: str, summary: str, description: str, epilog: str) -> Any:
    parser = commands.add_parser(
        name,
        help=summary,
        description=description,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress, no messages but errors")
    parser.add_argument("--traceback", action="store_true", help="show where an error comes from")
    return parser


def _add_fit(parser: Any) -> None:
    parser.add_argument("data", metavar="DATA", help="the table, '-' for the standard input")
    parser.add_argument("-o", "--output", metavar="MODEL_DIR", required=True, help="folder for the model")
    parser.add_argument("--target", metavar="COL", help="the column whose classes are asked for later")
    parser.add_argument(
        "--schema",
        metavar="COL=KIND",
        nargs="+",
        action="extend",
        default=[],
        help="kinds to learn columns as: numeric, categorical or identifier",
    )
    _add_series(
        parser,
        "With --entity or --time series are learned instead of rows.",
        "the rows are steps of series, and this column tells whose; new entities get new names",
        "the column that orders the steps: dates, times or numbers; without --entity the table is one series",
        "columns that an entity keeps; --where and --target may ask for them",
    )
    _add_training(parser)
    parser.add_argument("--update", metavar="OLD_MODEL_DIR", help="go on from this model, with the new rows")
    parser.add_argument("--checkpoint", metavar="DIR", help="keep the state of training in this folder")
    parser.add_argument("--resume", action="store_true", help="go on from the state in --checkpoint, if any")
    _add_format(parser)


def _add_sample(parser: Any) -> None:
    _add_model(parser)
    parser.add_argument("-n", "--rows", metavar="N", type=_count, required=True, help="rows, or whole series")
    _add_output(parser)
    parser.add_argument("--where", metavar="CONDITION", action="append", default=[], help="see below")
    parser.add_argument("--no-missing", action="store_true", help="no missing cells; not for series")
    parser.add_argument(
        "--batch-rows", metavar="N", type=_count, help="rows drawn at a time (100,000); not for series"
    )
    _add_seed(parser)
    _add_device(parser)
    _add_format(parser)


def _add_impute(parser: Any) -> None:
    _add_model(parser)
    parser.add_argument("data", metavar="DATA", help="the table, '-' for the standard input")
    _add_output(parser)
    _add_seed(parser)
    _add_device(parser)
    _add_format(parser)


def _add_resample(parser: Any) -> None:
    parser.add_argument("data", metavar="DATA", help="the table, '-' for the standard input")
    parser.add_argument("--target", metavar="COL", required=True, help="the column of the classes")
    _add_output(parser)
    how_many = parser.add_mutually_exclusive_group()
    how_many.add_argument(
        "--ratio", metavar="R", type=float, help="rows of the rarer class per row of the other (two classes)"
    )
    how_many.add_argument(
        "--strategy",
        metavar="S",
        default="auto",
        help="which classes are raised to the size of the largest: auto (all others), minority, "
        "'not minority', 'not majority', all; or x2, x2.5 (times as many rows of all but the largest); or "
        "tuned: the amount that helps boosted trees on rows held out, none included",
    )
    parser.add_argument("--mark", metavar="COLUMN", help="add a column that is true in synthetic rows")
    _add_training(parser)
    _add_format(parser)


def _add_evaluate(parser: Any) -> None:
    parser.add_argument("--train", metavar="A", required=True, help="real rows that the generator was shown")
    parser.add_argument("--synthetic", metavar="B", required=True, help="the rows to judge")
    parser.add_argument("--holdout", metavar="C", help="real rows that the generator has never seen")
    parser.add_argument("--target", metavar="COL", help="the column to predict")
    parser.add_argument("--positive", metavar="VALUE", help="the class that matters (the rarest)")
    _add_series(
        parser,
        "With --entity or --time order, timing and lengths of series are judged as well.",
        "the rows are steps of series, and this column tells whose; intervals then count entities",
        "the column that orders the steps; without --entity each table is one series",
        "columns that an entity keeps",
    )
    parser.add_argument(
        "-o",
        "--output",
        metavar="REPORT",
        required=True,
        help="report.html to look at, report.json to keep, '-' for JSON on the standard output",
    )
    parser.add_argument(
        "--budget",
        choices=["fast", "standard", "thorough"],
        default="standard",
        help="how much work to spend: more makes intervals narrower (standard)",
    )
    parser.add_argument(
        "--fail-on",
        metavar="ROOMS",
        type=_rooms,
        default=(),
        help="fidelity, utility, privacy, parted by commas: exit with 1 if one of them is bad or was not "
        "assessable",
    )
    parser.add_argument("--seed", metavar="N", type=int, default=0, help="seed of everything random (0)")
    _add_format(parser)


def _add_info(parser: Any) -> None:
    _add_model(parser)


def _add_model(parser: Any) -> None:
    parser.add_argument("model", metavar="MODEL_DIR", help="folder that 'tabdiff fit' has written")


def _add_output(parser: Any) -> None:
    parser.add_argument("-o", "--output", metavar="OUT", required=True, help="file, folder/ or '-'")


def _add_series(parser: Any, about: str, entity: str, time: str, context: str) -> None:
    """The three roles of columns, in a group of their own."""
    group = parser.add_argument_group("series", about)
    group.add_argument("--entity", metavar="COL", help=entity)
    group.add_argument("--time", metavar="COL", help=time)
    group.add_argument("--context", metavar="COL", nargs="+", action="extend", default=[], help=context)


def _add_training(parser: Any) -> None:
    parser.add_argument("--max-seconds", metavar="S", type=float, help="time budget of training")
    parser.add_argument("--max-steps", metavar="N", type=_count, help="number of training steps")
    _add_seed(parser)
    _add_device(parser)


def _add_seed(parser: Any) -> None:
    parser.add_argument("--seed", metavar="N", type=int, help="the same seed gives the same result")


def _add_device(parser: Any) -> None:
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, ... (auto)")


def _add_format(parser: Any) -> None:
    parser.add_argument(
        "--format",
        choices=["csv", "parquet", "arrow"],
        help="format of '-' (csv) and of files whose ending does not tell",
    )


def _count(text: str) -> int:
    """A whole number, which may be written as 10_000_000 or 10,000,000."""
    return int(text.replace(",", "").replace("_", ""))


def _rooms(text: str) -> tuple[str, ...]:
    rooms = tuple(part.strip() for part in text.split(","))
    unknown = [room for room in rooms if room not in ("fidelity", "utility", "privacy")]
    if unknown:
        raise argparse.ArgumentTypeError(f"unknown {unknown}, known are fidelity, utility and privacy")
    return rooms


COMMANDS = {
    "fit": ("learn a table, or series", _add_fit),
    "sample": ("draw new rows, or series", _add_sample),
    "impute": ("fill missing cells", _add_impute),
    "resample": ("add rows of rare classes", _add_resample),
    "evaluate": ("judge a synthetic table", _add_evaluate),
    "info": ("show what a model has learned", _add_info),
}
