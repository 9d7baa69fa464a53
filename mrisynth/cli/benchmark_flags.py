"""The flags of the benchmark."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Mapping

from absl import flags

from mrisynth.cli import network_flags
from mrisynth.cli.flag_values import batch_sizes, define_fields, group, integers, path
from mrisynth.errors import UserError
from mrisynth.evaluation.config import FEWEST_EVALUATED
from mrisynth.networks.config import NetworkConfig, level_of
from mrisynth.training.config import OptimizationConfig, Precision


@dataclasses.dataclass(frozen=True)
class BenchmarkConfig:
    """What is measured.

    Attributes:
        networks: One for every resolution to measure, at its full size.
        batch_sizes: Number of images in a step by resolution.
        precision: What is compared with plain float32.
        rounds: Turns over which medians are taken.
        data_dir: Prepared data set for the input pipeline, whose channels the images have; phantoms if not
            given.
        conditions: Labels of the data set whose cost is measured, as in training.
        optimization: Loss, and how often there is a penalty.
        evaluation: Measure nothing but an evaluation at the largest resolution, of so many generated,
            training and held-out images, as in 20000,35000,7000.
        release: Measure nothing but a release of so many images at the largest resolution, in every format,
            and how fast the generator alone is.
        verdicts: Count nothing but the verdicts on made-up generators, each evaluated so many times.
        copies: Change so many slices of --data_dir, and count nothing but how many are found as copies.
        json: Print JSON in place of a table.
    """

    networks: tuple[NetworkConfig, ...]
    batch_sizes: Mapping[int, int]
    precision: Precision = Precision.AUTO
    rounds: int = 5
    data_dir: pathlib.Path | None = None
    conditions: tuple[str, ...] = ()
    optimization: OptimizationConfig = dataclasses.field(default_factory=OptimizationConfig)
    evaluation: tuple[int, ...] = ()
    release: int = 0
    verdicts: int = 0
    copies: int = 0
    json: bool = False


def define(values: flags.FlagValues) -> None:
    """Defines every flag of the program."""
    shown = group(values, "What is measured")
    default = ["8", "16", "32", "64", "128", "256"]
    flags.DEFINE_list("resolutions", default, "What to measure.", **shown)
    default = ["8:64", "16:64", "32:32", "64:8", "128:8", "256:8"]
    text = "Images a step by resolution."
    flags.DEFINE_list("batch_sizes", default, text, **shown)
    own = [field.name for field in dataclasses.fields(BenchmarkConfig)]
    apart = ("networks", "batch_sizes", "optimization")
    define_fields(BenchmarkConfig, [name for name in own if name not in apart], **shown)
    define_fields(OptimizationConfig, ["loss", "gp_interval"], **shown)
    network_flags.define(values)


def config(values: flags.FlagValues) -> BenchmarkConfig:
    """Makes a configuration of the flags.

    Raises:
        UserError: If a flag has a value that it cannot have.
    """
    resolutions = _resolutions(values)
    batches = batch_sizes(values)
    missing = [resolution for resolution in resolutions if batches.get(resolution, 0) < 1]
    if missing:
        raise UserError(f"--batch_sizes has no batch for {missing[0]}x{missing[0]}; add {missing[0]}:N")
    if values.rounds < 1:
        raise UserError(f"--rounds={values.rounds} must be at least 1")
    evaluation = integers(values, "evaluation")
    if evaluation and (len(evaluation) != 3 or min(evaluation) < FEWEST_EVALUATED):
        raise UserError(
            f"--evaluation takes the numbers of generated, training and held-out images, {FEWEST_EVALUATED} "
            "at least, as in 20000,35000,7000"
        )
    if values.release < 0:
        raise UserError(f"--release={values.release} must be a number of images, as in 1000")
    if values.verdicts < 0:
        raise UserError(f"--verdicts={values.verdicts} must be a number of repetitions, as in 200")
    if values.copies < 0 or (values.copies and not values.data_dir):
        raise UserError(
            f"--copies={values.copies} must be a number of slices, as in 120, of the data set that "
            "--data_dir names"
        )
    largest = network_flags.config(values, max(resolutions))
    return BenchmarkConfig(
        networks=tuple(_cut_down(largest, resolution) for resolution in resolutions),
        batch_sizes=batches,
        precision=values.precision,
        rounds=values.rounds,
        data_dir=path(values, "data_dir"),
        conditions=tuple(values.conditions),
        optimization=OptimizationConfig(loss=values.loss, gp_interval=values.gp_interval),
        evaluation=evaluation,
        release=values.release,
        verdicts=values.verdicts,
        copies=values.copies,
        json=values.json,
    )


def _resolutions(values: flags.FlagValues) -> tuple[int, ...]:
    resolutions = integers(values, "resolutions")
    for resolution in resolutions:
        try:
            level_of(resolution)
        except ValueError as error:
            raise UserError(f"--resolutions: {error}; use some of 8, 16, 32, 64, 128, 256") from error
    if not resolutions:
        raise UserError("--resolutions is empty; use some of 8, 16, 32, 64, 128, 256")
    return resolutions


def _cut_down(network: NetworkConfig, resolution: int) -> NetworkConfig:
    """The same network at a smaller size, with the attention that it still has maps for."""
    attention = {
        name: tuple(r for r in getattr(network, name) if r <= resolution)
        for name in ("attention_discriminator", "attention_generator")
    }
    return dataclasses.replace(network, resolution=resolution, **attention)
