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

from tabdiff.errors import TabdiffError

__all__ = ["build_parser", "main"]

BAD_VERDICT, BAD_INPUT, INTERRUPTED, CLOSED_PIPE = 1, 2, 130, 141

DESCRIPTION = """\
Learns a table and draws new rows that look like its own; balances rare classes; judges synthetic tables.

Tables are CSV (also .csv.gz), Parquet, Arrow or Feather files, told by the ending of their name. '-' is the
standard input or output. Progress goes to the standard error.
"""
EPILOG = """\
a first try:
  tabdiff fit customers.csv -o model/ --target churned --max-seconds 120
  tabdiff sample model/ -n 1000 -o new.csv --where "churned=1"
  tabdiff evaluate --train customers.csv --synthetic new.csv -o report.html

exit codes: 0 done, 1 a verdict that --fail-on names is bad, 2 wrong usage or input, 130 interrupted.
'tabdiff COMMAND --help' tells more of each command.
"""
FIT = """\
Learns the table DATA and writes the model into a folder: weights and JSON, no row of the table.

The columns need no preparation: numbers, texts, categories, booleans, dates and times, with or without
missing cells. 'tabdiff info' shows what they were taken for; --schema overrules it.
"""
FIT_EPILOG = """\
examples:
  tabdiff fit transactions.parquet -o model/ --target is_fraud
  tabdiff fit people.csv -o model/ --schema zip=categorical --max-seconds 300 --seed 0
  tabdiff fit week_23.parquet -o model_23/ --update model_22/
  tabdiff fit big.parquet -o model/ --checkpoint ckpt/ --resume
"""
SAMPLE = """\
Draws N new rows with the columns and types of the table that was learned.

They are written batch after batch: memory does not grow with N. A folder as OUT (a name that ends with '/')
receives Parquet parts.
"""
SAMPLE_EPILOG = """\
conditions (several --where must all hold):
  col=value   col in a,b   col=10..500   col>=10   col<=500   col>10   col<5
  col is missing   col is not missing
Times are in ISO form (2024-12-31, 2024-12-31T23:59). Names and values with spaces or signs stand in double
quotes: --where '"my col"=3'.

examples:
  tabdiff sample model/ -n 10_000 -o new.parquet --seed 1
  tabdiff sample model/ -n 500 -o frauds.csv --where "is_fraud=1" --where "amount=100..5000"
  tabdiff sample model/ -n 10_000_000 -o parts/ --no-missing
  tabdiff sample model/ -n 5 -o - | head
"""
IMPUTE = """\
Fills the missing cells of DATA with draws from the model, given the other cells of each row.

Cells that are not missing stay as they are. One draw is no best guess: for standard errors, impute several
times with other seeds.
"""
IMPUTE_EPILOG = """\
examples:
  tabdiff impute model/ gaps.csv -o filled.csv --seed 0
  cat gaps.csv | tabdiff impute model/ - -o - > filled.csv
"""
RESAMPLE = """\
Learns DATA and adds synthetic rows of its rare classes, in the place of SMOTE. The rows of DATA come first.

Resample the training part only, never the rows a classifier is tested on. A ratio well below 1 often serves a
classifier better than full balance; --strategy tuned finds one, and says on standard error what it found.
"""
RESAMPLE_EPILOG = """\
examples:
  tabdiff resample train.parquet --target is_fraud --ratio 0.1 -o balanced.parquet
  tabdiff resample train.csv --target class --strategy "not majority" --mark synthetic -o balanced.csv
  tabdiff resample train.csv --target class --strategy tuned -o more.csv
"""
EVALUATE = """\
Judges a synthetic table, whoever made it: is it faithful, does it help a classifier, does it leak rows?

Utility and privacy need a holdout: real rows of the same kind that the generator has never seen.
"""
EVALUATE_EPILOG = """\
examples:
  tabdiff evaluate --train train.csv --synthetic new.csv --holdout test.csv --target churned -o report.html
  tabdiff evaluate --train a.parquet --synthetic b.parquet -o report.json --budget fast
  tabdiff evaluate --train a.csv --synthetic b.csv --holdout c.csv -o r.html --fail-on privacy,fidelity
"""
INFO = """\
Shows what a model has learned: columns, classes, training, versions, size.
"""
INFO_EPILOG = """\
examples:
  tabdiff info model/
"""


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
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action=_Version)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    _add_fit(_command(commands, "fit", "learn a table", FIT, FIT_EPILOG))
    _add_sample(_command(commands, "sample", "draw new rows", SAMPLE, SAMPLE_EPILOG))
    _add_impute(_command(commands, "impute", "fill missing cells", IMPUTE, IMPUTE_EPILOG))
    _add_resample(_command(commands, "resample", "add rows of rare classes", RESAMPLE, RESAMPLE_EPILOG))
    _add_evaluate(_command(commands, "evaluate", "judge a synthetic table", EVALUATE, EVALUATE_EPILOG))
    _add_info(_command(commands, "info", "show what a model has learned", INFO, INFO_EPILOG))
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
    _add_training(parser)
    parser.add_argument("--update", metavar="OLD_MODEL_DIR", help="go on from this model, with the new rows")
    parser.add_argument("--checkpoint", metavar="DIR", help="keep the state of training in this folder")
    parser.add_argument("--resume", action="store_true", help="go on from the state in --checkpoint, if any")
    _add_format(parser)


def _add_sample(parser: Any) -> None:
    _add_model(parser)
    parser.add_argument("-n", "--rows", metavar="N", type=_count, required=True, help="number of rows")
    _add_output(parser)
    parser.add_argument("--where", metavar="CONDITION", action="append", default=[], help="see below")
    parser.add_argument("--no-missing", action="store_true", help="no missing cells")
    parser.add_argument(
        "--batch-rows", metavar="N", type=_count, default=100_000, help="rows drawn at a time (100,000)"
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
