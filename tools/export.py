"""The command mrisynth-export, from a checkout: see mrisynth/cli/export.py."""

import sys

from mrisynth.cli.export import main

if __name__ == "__main__":
    sys.exit(main())
