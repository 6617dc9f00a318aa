"""The command line.

parser      its words, its help and its errors; imports next to nothing
where_text  conditions as text
commands    what each command does
"""

from tabdiff.cli.parser import build_parser, main

__all__ = ["build_parser", "main"]
