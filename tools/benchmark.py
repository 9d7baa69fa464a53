"""Prints how fast training, generation and the input pipeline are on this machine.

    python tools/benchmark.py --fmap_base=2048 --fmap_max=128 --resolutions=16,64,128

Each line is one resolution, trained stable. "plain" is the same program in float32 without folded
resampling; "of peak" is the part of this machine's own large matrix product, in the same precision, that the
step's convolutions reach. The second table says how much faster folded resampling alone makes the step in
float32, and what self-attention in the discriminator, on each size of maps by itself, adds to the step
without any: percent of its time, and how many times what attention's own multiplications would take at the
rate that the rest of the step reaches. --evaluation=20000,35000,7000 measures an evaluation instead: its time
and memory; --release=1000 how fast tools/generate.py is in every format. See --help for the flags.
"""

from __future__ import annotations

import dataclasses
import json
import pathlib
import tempfile

from mrisynth.cli import app  # isort: skip  (before TensorFlow is imported)

from tqdm import tqdm

from mrisynth.cli import options
from mrisynth.data import PreparationConfig, prepare_dataset
from mrisynth.phantoms.dataset import write_phantoms

_HEADER = (
    "resolution  batch  train img/s  plain img/s  ratio  GFLOP/img  of peak  "
    "generate img/s  pipeline img/s  pipeline/train"
)

_PARTS_HEADER = (
    "resolution   float32 folded/plain   attention on 32x32 adds   x own work   "
    "attention on 64x64 adds   x own work"
)


def main() -> None:
    """Measures every resolution that was asked for."""
    config = options.benchmark_config()
    app.import_tensorflow()
    if config.evaluation:
        _measure_evaluation(config)
        return
    if config.release:
        _measure_release(config)
        return
    from mrisynth.benchmarks import training
    from mrisynth.training.strategies import check_batches, dtype_policy

    policy = dtype_policy(config.precision)
    check_batches(config.batch_sizes, 1)
    measurements = []
    with tempfile.TemporaryDirectory() as folder:
        largest = max(network.resolution for network in config.networks)
        data_dir = config.data_dir or _phantoms(pathlib.Path(folder), largest)
        for network in tqdm(config.networks, desc="benchmark", unit="resolution"):
            batch = config.batch_sizes[network.resolution]
            measurements.append(training.measure(network, batch, policy, data_dir, config.rounds))
        preparation = training.preparation_seconds(pathlib.Path(folder), config.rounds)
    if config.as_json:
        rows = [
            {
                **dataclasses.asdict(row),
                "speedup": row.speedup,
                "folding_speedup": row.folding_speedup,
                "utilization": row.utilization,
                "pipeline_margin": row.pipeline_margin,
                "precision": policy,
                "attention": [
                    {**dataclasses.asdict(cost), "share": cost.share, "factor": cost.factor}
                    for cost in row.attention
                ],
            }
            for row in measurements
        ]
        machine = dataclasses.asdict(training.machine())
        report = {"machine": machine, "preparation_seconds": preparation, "resolutions": rows}
        print(json.dumps(report, indent=2))
        return
    print(training.machine())
    print(f"{policy}, --fmap_base={network.fmap_base} --fmap_max={network.fmap_max}")
    print(_HEADER)
    for row in measurements:
        print(
            f"{row.resolution:10d} {row.batch_size:6d} {row.training:12.1f} {row.plain_training:12.1f} "
            f"{row.speedup:6.2f} {row.operations / 1e9:10.3f} {row.utilization:8.0%} {row.generation:15.1f} "
            f"{row.pipeline:15.1f} {row.pipeline_margin:15.1f}"
        )
    print(f"\n{_PARTS_HEADER}")
    for row in measurements:
        costs = (f"{cost.share:26.1%} {cost.factor:12.2f}" for cost in row.attention)
        print(f"{row.resolution:10d} {row.folding_speedup:22.2f} {' '.join(costs)}".rstrip())

    print(f"\none 320x320x36 oblique volume is prepared in {preparation:.2f} s of one core")


def _measure_evaluation(config: options.BenchmarkConfig) -> None:
    """Prints what an evaluation of made-up images costs."""
    from mrisynth.benchmarks import evaluation, training

    resolution = max(network.resolution for network in config.networks)
    cost = evaluation.measure(resolution, *config.evaluation)
    counts = dict(zip(("generated", "training", "heldout"), config.evaluation, strict=True))
    if config.as_json:
        print(json.dumps({"resolution": resolution, **counts, **dataclasses.asdict(cost)}))
        return
    print(training.machine())
    print(
        f"evaluating {counts['generated']:,} images of {resolution}x{resolution} against "
        f"{counts['training']:,} training and {counts['heldout']:,} held-out slices: {cost.seconds:.0f} s, "
        f"at most {cost.peak_bytes / 2**30:.1f} GiB of memory"
    )


def _measure_release(config: options.BenchmarkConfig) -> None:
    """Prints how fast images are released, beside the generator's own speed."""
    from mrisynth.benchmarks import release, training

    network = max(config.networks, key=lambda network: network.resolution)
    rates = release.measure(network, config.release, config.rounds)
    if config.as_json:
        print(json.dumps({"resolution": network.resolution, **rates}))
        return
    print(training.machine())
    print(f"images/s of {network.resolution}x{network.resolution}, and part of the generator's own speed")
    for name, rate in rates.items():
        print(f"{name:8} {rate:8.1f} {rate / rates[release.BARE]:6.0%}")


def _phantoms(folder: pathlib.Path, resolution: int) -> pathlib.Path:
    """A small data set of phantoms, for the input pipeline to read."""
    write_phantoms(folder / "scans", subjects=4, progress=False)
    settings = PreparationConfig(
        input=(str(folder / "scans"),), output=str(folder / "data"), resolution=resolution, holdout=0.0
    )
    prepare_dataset(settings, progress=False)
    return folder / "data"


if __name__ == "__main__":
    options.define_benchmark_flags()
    app.run(main)
