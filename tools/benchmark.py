"""The command mrisynth-benchmark, from a checkout: see mrisynth/cli/benchmark.py."""

import sys

from mrisynth.cli.benchmark import main

if __name__ == "__main__":
    sys.exit(main())
