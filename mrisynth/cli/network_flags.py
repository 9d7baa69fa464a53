"""The flags of the networks' size, which training and the benchmark have."""

from __future__ import annotations

from absl import flags

from mrisynth.cli.flag_values import define_fields, from_flags, group, integers
from mrisynth.errors import UserError
from mrisynth.networks.config import NetworkConfig


def define(values: flags.FlagValues) -> None:
    """Defines a flag for every setting but the resolution."""
    shown = group(values, "Networks")
    sizes = ("latent_size", "fmap_base", "fmap_max")
    names = (*sizes, "fused_resampling", "bilinear_resampling", "noise_inputs")
    define_fields(NetworkConfig, names, **shown)
    for name in ("attention_discriminator", "attention_generator"):
        network = name.removeprefix("attention_")
        text = f"Resolutions with self-attention in the {network}, as in 32,64."
        flags.DEFINE_list(name, None, text, **shown)


def config(
    values: flags.FlagValues,
    resolution: int,
    attention_discriminator: tuple[int, ...] = (),
    attention_generator: tuple[int, ...] = (),
) -> NetworkConfig:
    """Makes a configuration of the flags.

    Args:
        values: Where `define` has defined the flags.
        resolution: Pixels along an edge of an image.
        attention_discriminator: Resolutions with self-attention where the flag is not given; those above
            `resolution` are left out.
        attention_generator: The same for the generator.

    Raises:
        UserError: If a flag has a value that it cannot have.
    """

    def attention(name: str, default: tuple[int, ...]) -> tuple[int, ...]:
        if values[name].value is not None:
            return integers(values, name)
        kept = tuple(r for r in default if r <= resolution)
        if default and not kept:
            raise UserError(
                f"--resolution={resolution} has none of the maps that this --model attends to "
                f"({', '.join(map(str, default))}); say which ones with --{name}"
            )
        return kept

    return from_flags(
        values,
        NetworkConfig,
        resolution=resolution,
        attention_discriminator=attention("attention_discriminator", attention_discriminator),
        attention_generator=attention("attention_generator", attention_generator),
    )
