"""`python -m tabdiff`: the command line."""

import sys

from tabdiff.cli import main

if __name__ == "__main__":
    sys.exit(main())
