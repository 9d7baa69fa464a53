"""Prints how fast training, generation and the input pipeline are on this machine.

    mrisynth-benchmark --fmap_base=2048 --fmap_max=128 --resolutions=16,64,128
    mrisynth-benchmark --release=1000 --resolutions=64

Each line is one resolution, trained stable. "plain" is the same program in float32 without folded
resampling; "of peak" is the part of this machine's own large matrix product, in the same precision, that the
step's convolutions reach. The second table says how much faster folded resampling alone makes the step in
float32, and what self-attention in the discriminator, on each size of maps by itself, adds to the step
without any: percent of its time, and how many times what attention's own multiplications would take at the
rate that the rest of the step reaches; and what the labels of --conditions add. --evaluation=20000,35000,7000
measures an evaluation instead: its time and memory; --release=1000 how fast mrisynth-generate is in every
format. --verdicts=200 counts how often each verdict comes for made-up generators of which it is known whether
they copy; --copies=120 --data_dir=DATA how many of so many slices are found as copies when they were changed.
"""

from __future__ import annotations

import dataclasses
import json
import pathlib
import tempfile

from mrisynth import screen

from mrisynth.cli import app  # isort: skip  (before TensorFlow is imported)

from absl import flags

from mrisynth.cli import benchmark_flags
from mrisynth.cli.benchmark_flags import BenchmarkConfig
from mrisynth.data import PreparationConfig, prepare_dataset, read_manifest
from mrisynth.phantoms.dataset import write_phantoms


def main() -> None:
    """Runs the program."""
    app.run(_benchmark, benchmark_flags.define, __doc__)


def _benchmark(values: flags.FlagValues) -> None:
    """Measures every resolution that was asked for."""
    config = benchmark_flags.config(values)
    app.import_tensorflow()
    if config.evaluation:
        _measure_evaluation(config)
        return
    if config.release:
        _measure_release(config)
        return
    if config.copies:
        _count_copies(config)
        return
    if config.verdicts:
        _count_verdicts(config)
        return
    from mrisynth.benchmarks import data, training
    from mrisynth.benchmarks.machine import this_machine
    from mrisynth.data.conditions.schema import label_schema
    from mrisynth.training.strategies import check_batches, dtype_policy

    policy = dtype_policy(config.precision)
    check_batches(config.batch_sizes, 1)
    measurements = []
    with tempfile.TemporaryDirectory() as folder:
        largest = max(network.resolution for network in config.networks)
        data_dir = config.data_dir or _phantoms(pathlib.Path(folder), largest)
        schema = label_schema(data_dir, config.conditions)
        channels = len(read_manifest(data_dir).channels)
        for network in screen.counted(config.networks, "measuring every resolution"):
            batch = config.batch_sizes[network.resolution]
            network = dataclasses.replace(network, channels=channels)
            measurements.append(
                training.measure(network, batch, policy, data_dir, config.rounds, schema, config.optimization)
            )
        preparation = data.preparation_seconds(pathlib.Path(folder), config.rounds)
    if config.json:
        rows = [{**row.as_json(), "precision": policy} for row in measurements]
        machine = dataclasses.asdict(this_machine())
        report = {"machine": machine, "preparation_seconds": preparation, "resolutions": rows}
        print(json.dumps(report, indent=2))
        return
    print(this_machine())
    print(f"{policy}, --fmap_base={network.fmap_base} --fmap_max={network.fmap_max}")
    print(training.table(measurements))
    print(f"\none 320x320x36 oblique volume is prepared in {preparation:.2f} s of one core")


def _measure_evaluation(config: BenchmarkConfig) -> None:
    """Prints what an evaluation of made-up images costs."""
    from mrisynth.benchmarks import evaluation
    from mrisynth.benchmarks.machine import this_machine

    resolution = max(network.resolution for network in config.networks)
    cost = evaluation.measure(resolution, *config.evaluation)
    print(json.dumps(dataclasses.asdict(cost)) if config.json else f"{this_machine()}\n{cost}")


def _measure_release(config: BenchmarkConfig) -> None:
    """Prints how fast images are released, beside the generator's own speed."""
    from mrisynth.benchmarks import release
    from mrisynth.benchmarks.machine import this_machine

    network = max(config.networks, key=lambda network: network.resolution)
    rates = release.measure(network, config.release, config.rounds)
    if config.json:
        print(json.dumps({"resolution": network.resolution, **rates}))
    else:
        print(f"{this_machine()}\n{release.table(network.resolution, rates)}")


def _count_verdicts(config: BenchmarkConfig) -> None:
    """Prints how often each verdict comes."""
    from mrisynth.benchmarks import verdicts

    counts = verdicts.frequencies(config.verdicts)
    print(json.dumps(counts) if config.json else verdicts.table(counts))


def _count_copies(config: BenchmarkConfig) -> None:
    """Prints how many changed copies are found."""
    from mrisynth.benchmarks import copies

    resolution = max(network.resolution for network in config.networks)
    found = copies.measure(config.data_dir, resolution, config.copies)
    print(json.dumps([dataclasses.asdict(each) for each in found]) if config.json else copies.table(found))


def _phantoms(folder: pathlib.Path, resolution: int) -> pathlib.Path:
    """A small data set of phantoms, for the input pipeline to read."""
    write_phantoms(folder / "scans", subjects=4)
    settings = PreparationConfig(
        input=(str(folder / "scans"),), output=str(folder / "data"), resolution=resolution, holdout=0.0
    )
    prepare_dataset(settings)
    return folder / "data"
