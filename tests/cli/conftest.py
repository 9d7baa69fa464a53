"""What the tests of the programs share."""

import pytest
from absl import flags

from mrisynth.cli import app


@pytest.fixture
def parse_flags():
    """Turns the command line of a program, given its module of flags, into a configuration."""

    def parse(program_flags, *arguments):
        values = flags.FlagValues()
        program_flags.define(values)
        app.parse_flags(values, [str(argument) for argument in arguments])
        return program_flags.config(values)

    return parse
