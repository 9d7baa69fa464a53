"""The command mrisynth-query, from a checkout: see mrisynth/cli/query.py."""

import sys

from mrisynth.cli.query import main

if __name__ == "__main__":
    sys.exit(main())
