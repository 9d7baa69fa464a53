"""How much of the bare generator's speed is left when its images are written."""

from __future__ import annotations

import pathlib
import statistics
import tempfile
import time
from collections.abc import Mapping

from mrisynth.export.formats.saved_model import export_generator
from mrisynth.networks import Generator
from mrisynth.networks.config import NetworkConfig
from mrisynth.release.config import ReleaseConfig
from mrisynth.release.formats import FORMATS
from mrisynth.release.release import block_size, make_release
from mrisynth.sampling.generators import open_export

BARE = "bare"


def measure(network: NetworkConfig, images: int, rounds: int = 5) -> dict[str, float]:
    """Images/s of an export with random weights, by its signature and released in every format, in turns.

    Formats whose package is not installed are left out.

    Args:
        network: Its size.
        images: To draw each time; as many more as fill the last block.
        rounds: Of which medians are taken.

    Returns:
        Medians by format; `BARE` for the signature alone. Opening the export is not counted.
    """
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        generator = Generator.from_network_config(network, name="generator")
        export = open_export(export_generator(generator, root / "model"))
        size = block_size(network.resolution)
        count = -(-images // size) * size
        export.draw(0, size)
        rates: dict[str, list[float]] = {BARE: []}
        rates |= {name: [] for name, kind in FORMATS.items() if kind.is_usable()}
        for turn in range(rounds):
            for name, measured in rates.items():
                start = time.perf_counter()
                if name == BARE:
                    for first in range(0, count, size):
                        export.draw(first, size)
                else:
                    config = ReleaseConfig(root / "model", root / f"{name}{turn}", count, name)
                    make_release(config, sampler=export)
                measured.append(count / (time.perf_counter() - start))
    return {name: statistics.median(measured) for name, measured in rates.items()}


def table(resolution: int, rates: Mapping[str, float]) -> str:
    """Images/s by format, as `measure` returns them, and what part of the generator's own speed that is."""
    title = f"images/s of {resolution}x{resolution}, and part of the generator's own speed"
    return "\n".join(
        [title, *(f"{name:8} {rate:8.1f} {rate / rates[BARE]:6.0%}" for name, rate in rates.items())]
    )
