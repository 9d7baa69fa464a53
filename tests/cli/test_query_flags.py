import pytest

from mrisynth.cli import query_flags
from mrisynth.errors import UserError
from mrisynth.serving.client import Query


def test_what_is_asked(parse_flags):
    config = parse_flags(query_flags, "--model=M", "--output=O")
    assert config.query == Query(server="localhost:8501", model="M")
    assert str(config.output) == "O"
    given = [
        "--server=h:1",
        "--protocol=grpc",
        "--signature=png",
        "--count=3",
        "--seed=4",
        "--truncation=0.5",
    ]
    config = parse_flags(query_flags, "--model=M", "--output=O", *given)
    assert config.query == Query("h:1", "grpc", "M", "png", 3, 4, 0.5)


@pytest.mark.parametrize("given", [[], ["--model=M"], ["--output=O"]])
def test_model_and_output_are_needed(parse_flags, given):
    with pytest.raises(UserError, match="give --model=NAME, as the server knows it, and --output"):
        parse_flags(query_flags, *given)
