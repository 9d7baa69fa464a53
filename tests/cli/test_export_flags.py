import pytest

from mrisynth.cli import export_flags
from mrisynth.errors import UserError


def test_what_is_exported_and_where_to(parse_flags):
    config = parse_flags(export_flags, "--run_dir=R", "--output=O")
    assert (str(config.run_dir), str(config.output), config.data_dir) == ("R", "O", None)
    assert str(parse_flags(export_flags, "--run_dir=R", "--output=O", "--data_dir=D").data_dir) == "D"


@pytest.mark.parametrize("given", [[], ["--run_dir=R"], ["--output=O"], ["--run_dir=", "--output=O"]])
def test_both_folders_are_needed(parse_flags, given):
    with pytest.raises(UserError, match="give --run_dir=RUN and --output=saved_models/NAME"):
        parse_flags(export_flags, *given)
