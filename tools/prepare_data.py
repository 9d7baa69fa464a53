"""The command mrisynth-prepare, from a checkout: see mrisynth/cli/prepare.py."""

import sys

from mrisynth.cli.prepare import main

if __name__ == "__main__":
    sys.exit(main())
