"""The command mrisynth-evaluate, from a checkout: see mrisynth/cli/evaluate.py."""

import sys

from mrisynth.cli.evaluate import main

if __name__ == "__main__":
    sys.exit(main())
