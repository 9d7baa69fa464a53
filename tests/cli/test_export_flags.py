import pytest

from mrisynth.cli import export_flags
from mrisynth.errors import UserError


def test_what_is_exported_and_where_to(parse_flags):
    config = parse_flags(export_flags, "--run_dir=R", "--output=O")
    assert (str(config.run_dir), str(config.output), config.data_dir) == ("R", "O", None)
    assert str(parse_flags(export_flags, "--run_dir=R", "--output=O", "--data_dir=D").data_dir) == "D"


def test_a_model_that_comes_with_mrisynth_is_found_by_name(parse_flags):
    config = parse_flags(export_flags, "--saved_model=head_phantom", "--output=O", "--format=onnx")
    assert (config.saved_model / "1").is_dir()
    assert (config.run_dir, config.export_format) == (None, "onnx")


@pytest.mark.parametrize(
    "given", [[], ["--run_dir=R"], ["--saved_model=M"], ["--output=O"], ["--run_dir=", "--output=O"]]
)
def test_what_is_exported_and_where_to_are_needed(parse_flags, given):
    wanted = "give --run_dir=RUN, or --saved_model=NAME, and --output=saved_models/NAME"
    with pytest.raises(UserError, match=wanted):
        parse_flags(export_flags, *given)


def test_what_allows_nothing_is_refused(parse_flags):
    with pytest.raises(UserError, match="--even_of_patients allows --with_discriminator"):
        parse_flags(export_flags, "--run_dir=R", "--output=O", "--even_of_patients")


@pytest.mark.parametrize("also", ["--run_dir=R", "--data_dir=D", "--with_discriminator"])
def test_an_export_needs_no_run(parse_flags, also):
    with pytest.raises(UserError, match=also):
        parse_flags(export_flags, "--saved_model=M", "--output=O", also)
