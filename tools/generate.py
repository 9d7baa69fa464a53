"""The command mrisynth-generate, from a checkout: see mrisynth/cli/generate.py."""

import sys

from mrisynth.cli.generate import main

if __name__ == "__main__":
    sys.exit(main())
