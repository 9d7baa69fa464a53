"""The command mrisynth-compare, from a checkout: see mrisynth/cli/compare.py."""

import sys

from mrisynth.cli.compare import main

if __name__ == "__main__":
    sys.exit(main())
