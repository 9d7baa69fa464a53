import pytest
from absl import flags

from mrisynth.cli import app, network_flags
from mrisynth.errors import UserError


def config(*arguments, **given):
    values = flags.FlagValues()
    network_flags.define(values)
    app.parse_flags(values, arguments)
    return network_flags.config(values, **given)


def test_attention_defaults_to_what_the_model_has_maps_for():
    assert config(resolution=32, attention_discriminator=(32, 64)).attention_discriminator == (32,)
    given = config("--attention_generator=8", resolution=32, attention_generator=(32,))
    assert given.attention_generator == (8,)
    assert (
        config("--attention_generator=", resolution=32, attention_generator=(32,)).attention_generator == ()
    )


def test_a_model_without_any_map_to_attend_to_is_refused():
    with pytest.raises(
        UserError, match="--resolution=16 has none of the maps .*32, 64.*--attention_generator"
    ):
        config(resolution=16, attention_generator=(32, 64))
