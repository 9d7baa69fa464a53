"""Draws a data set from an export: as many images as are asked for, whatever came between."""

from __future__ import annotations

import collections
import dataclasses
import functools
import itertools
import json
import pathlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mrisynth import screen
from mrisynth.atomic_io import write_json_aside, write_text_aside
from mrisynth.errors import UserError, naming_disk_errors
from mrisynth.evaluation.reference import check_trained_on, load_reference
from mrisynth.image_io import to_gray
from mrisynth.locking import only_writer
from mrisynth.privacy import embedding
from mrisynth.release.channels import Channel, channels_of
from mrisynth.release.config import ReleaseConfig
from mrisynth.release.copy_filter import CopyFilter
from mrisynth.release.dataset_metadata import (
    array_description,
    channel_description,
    dataset_description,
    image_description,
    readme,
    sidecars,
)
from mrisynth.release.formats import FORMATS
from mrisynth.release.formats.base import ReleaseFormat
from mrisynth.release.image_geometry import ImageGeometry
from mrisynth.release.label_table import LabelTable
from mrisynth.sampling.conditions import Value, Values
from mrisynth.sampling.generators import Sampler, open_export
from mrisynth.sampling.provenance import Provenance

DESCRIPTION = "dataset_description.json"
_BLOCK_PIXELS = 2**17
_LARGEST_BLOCK = 64
_LOOKED_UP, _LOOKED_UP_PIXELS = 256, 2**24
"""How many images, and of how many pixels, are looked up among the training slices at a time."""
_WRITERS = 16
"""Most of the time a writer waits for the disk, which takes what many of them have written in one go."""
_BLOCKS_WAITING = 2 * _WRITERS
_COPIES_IN_A_ROW = 1000
"""After which a generator is taken to give hardly anything else."""


@dataclasses.dataclass(frozen=True)
class Released:
    """What a release has come to.

    Attributes:
        output: The folder of the release.
        images: Number of images in the release.
        drawn: Number of images that are new.
        dropped: Number of copies of training data that were left out.
        looked_for: What copies were looked for by, in words; empty if they were not.
        on_copying: The verdict on the model, in sentences.
    """

    output: pathlib.Path
    images: int
    drawn: int
    dropped: int
    looked_for: str
    on_copying: str

    def __str__(self) -> str:
        said = f"{self.output}: {self.images:,} images"
        said += f", {self.drawn:,} of them new" if self.drawn else ", nothing left to do"
        if self.looked_for:
            said += f"; {self.dropped:,} copies of training data left out, looked for {self.looked_for}"
        return f"{said}\n{self.on_copying}"


def make_release(config: ReleaseConfig, sampler: Sampler | None = None) -> Released:
    """Draws the images that a release still lacks, and writes what belongs to the whole of it.

    The generator is asked for blocks of seeds that begin at the same seeds in every run, so that every image
    comes out the same to the last bit, however often the work was broken off.

    Args:
        config: What, and where to.
        sampler: The generator of `config.saved_model`, if it is open already.

    Returns:
        What the release holds.

    Raises:
        UserError: If it cannot be drawn, written, or is another release than the one in its folder.
    """
    sampler = (sampler or open_export(config.saved_model)).asking(config.conditions, config.force)
    asked = bool(config.conditions) or config.truncation != 1
    provenance = Provenance.of(sampler, config.release_despite_copies, asked)
    geometry = ImageGeometry.of(sampler.card, sampler.resolution)
    files = FORMATS[config.format](
        config.output,
        config.count,
        geometry,
        provenance,
        sampler.resolution,
        config.format_options,
        sampler.channels,
    )
    _check_filter(config, sampler)
    settings = _settings(config, sampler, provenance, files)
    _check_folder(config, settings)
    copies = None
    if config.data_dir is not None:
        real = load_reference(config.data_dir, sampler.resolution)
        copies = CopyFilter(real, config.copy_ratio, settings["changed_copies"])
    description = image_description(provenance, config.truncation, geometry)
    sidecar = sidecars(description, functools.partial(channel_description, geometry=geometry, files=files))
    channels = channels_of(sampler.channels, {}, geometry)
    with naming_disk_errors(config.output, "--output"), only_writer(config.output, "--output"):
        if not (config.output / DESCRIPTION).exists():
            write_json_aside(config.output / DESCRIPTION, dataset_description(provenance, settings, files))
        seeds = _written(config, files)
        there = len(seeds)
        if there < config.count:
            files.start(there)
            _draw(config, sampler, files, sidecar, copies, seeds)
        labels = LabelTable.of_seeds(sampler.labels, seeds)
        files.finish(seeds, labels, array_description(description, channels, geometry, files))
        looked_for = copies.measures if copies else ""
        text = readme(config, provenance, geometry, files, channels, sampler.labels, seeds, looked_for)
        write_text_aside(config.output / "README.md", text)
    return Released(
        output=config.output,
        images=len(seeds),
        drawn=len(seeds) - there,
        dropped=seeds[-1] - config.seed + 1 - len(seeds),
        looked_for=looked_for,
        on_copying=provenance.on_copying,
    )


def block_size(resolution: int) -> int:
    """Number of images that are drawn at a time."""
    return min(_LARGEST_BLOCK, max(1, _BLOCK_PIXELS // resolution**2))


def _check_filter(config: ReleaseConfig, sampler: Sampler) -> None:
    """Checks that copies are looked for in the data set that the generator was trained on."""
    model = f"--saved_model={config.saved_model}"
    if config.data_dir and not check_trained_on(config.data_dir, sampler.trained_on, model):
        raise UserError(
            f"--filter_copies: {model} does not say which data set it was trained on, so nothing can be said "
            "about copies; export its run again with mrisynth-export, or leave --filter_copies out"
        )


def _written(config: ReleaseConfig, files: ReleaseFormat) -> list[int]:
    """The seeds of the images that are there."""
    try:
        seeds = files.written()
    except (ValueError, KeyError, FileNotFoundError) as error:
        missing = isinstance(error, FileNotFoundError)
        reason = f"it lacks {pathlib.Path(error.filename).relative_to(config.output)}" if missing else error
        raise UserError(
            f"--output={config.output} is damaged ({reason}); delete what is damaged or give another folder"
        ) from error
    if len(seeds) > config.count:
        raise UserError(
            f"--count={config.count} is less than the {len(seeds):,} images that --output={config.output} "
            "already holds; give another folder for a smaller release"
        )
    return seeds


def _draw(
    config: ReleaseConfig,
    sampler: Sampler,
    files: ReleaseFormat,
    sidecar: Callable[[int, Mapping[str, Value], Channel], str],
    copies: CopyFilter | None,
    seeds: list[int],
) -> None:
    """Draws until there are enough; appends to the seeds. Blocks are written while the next one is drawn."""
    waiting: collections.deque[Future[None]] = collections.deque()
    next_seed = seeds[-1] + 1 if seeds else config.seed
    with (
        ThreadPoolExecutor(_WRITERS) as writers,
        screen.Bar("drawing", config.count, unit="images", done=len(seeds)) as bar,
    ):
        for first, images, labels, kept in _kept_blocks(config, sampler, copies, next_seed):
            block_seeds = first + np.flatnonzero(kept)
            new = [int(seed) for seed in block_seeds if seed >= next_seed][: config.count - len(seeds)]
            block = []
            for number, seed in enumerate(new, len(seeds) + 1):
                row = {name: column[seed - first] for name, column in labels.items()}
                channels = channels_of(sampler.channels, row, files.geometry)
                said = [sidecar(seed, row, channel) for channel in channels]
                block.append((number, seed, images[seed - first], channels, said))
            waiting.append(writers.submit(_write, files, block))
            seeds += new
            bar.update(len(new))
            while len(waiting) > _BLOCKS_WAITING:
                waiting.popleft().result()
            if len(seeds) == config.count:
                break
            last = seeds[-1] if seeds else config.seed - 1
            if first + len(images) - last > _COPIES_IN_A_ROW:
                raise UserError(
                    f"--filter_copies: more than {_COPIES_IN_A_ROW:,} images in a row are too close to the "
                    "training data; this generator cannot be released: train it on more subjects"
                )
        for written in waiting:
            written.result()


def _write(
    files: ReleaseFormat, block: list[tuple[int, int, NDArray[np.float32], Sequence[Channel], Sequence[str]]]
) -> None:
    for image in block:
        files.write(*image)


def _kept_blocks(
    config: ReleaseConfig, sampler: Sampler, copies: CopyFilter | None, seed: int
) -> Iterator[tuple[int, NDArray[np.float32], Values, NDArray[np.bool_]]]:
    """What `_blocks` draws, and which of the images are no copies; looked up many at a time."""
    size = block_size(sampler.resolution)
    together = max(1, min(_LOOKED_UP, _LOOKED_UP_PIXELS // sampler.resolution**2) // size) if copies else 1
    # Groups of blocks, too, begin at the same seeds in every run.
    blocks = _blocks(
        config, sampler, config.seed + (seed - config.seed) // (size * together) * size * together
    )
    while True:
        group = list(itertools.islice(blocks, together))
        kept = np.ones((together, size), bool)
        if copies:
            kept = ~copies.find(np.concatenate([to_gray(images) for _, images, _ in group])).reshape(
                kept.shape
            )
        for block, of_block in zip(group, kept, strict=True):
            yield (*block, of_block)


def _blocks(
    config: ReleaseConfig, sampler: Sampler, first: int
) -> Iterator[tuple[int, NDArray[np.float32], Values]]:
    """The block from a seed on and all that follow: first seed, images, and what these were asked for."""
    size = block_size(sampler.resolution)
    while True:
        labels = sampler.labels.values(first, size) if sampler.labels else {}
        yield first, sampler.draw(first, size, config.truncation), labels
        first += size


def _settings(
    config: ReleaseConfig, sampler: Sampler, provenance: Provenance, files: ReleaseFormat
) -> dict[str, Any]:
    """What makes two releases one and the same, but for the number of images."""
    settings = {
        "saved_model": f"{provenance.model}/{provenance.version}".rstrip("/"),
        "checksum": provenance.checksum,
        "verdict": provenance.description,
        "format": config.format,
        "seed": config.seed,
        "truncation": config.truncation,
        "filter_copies": config.data_dir is not None,
        **({"condition": [str(condition) for condition in config.conditions]} if sampler.labels else {}),
        **files.settings,
    }
    if config.data_dir is not None:
        kept = embedding.is_kept(config.data_dir, provenance.trained_on, sampler.resolution)
        settings |= {
            "data_dir": provenance.trained_on,
            "copy_ratio": config.copy_ratio,
            "changed_copies": kept,
        }
    return settings


def _check_folder(config: ReleaseConfig, settings: dict[str, Any]) -> None:
    """Checks that the folder is new, or holds the same release."""
    path = config.output / DESCRIPTION
    another = f"--output={config.output} holds other files than a release; give another folder"
    try:
        there = json.loads(path.read_text(encoding="utf-8"))["Settings"]
    except (FileNotFoundError, NotADirectoryError) as error:
        if config.output.is_dir() and any(not name.name.startswith(".") for name in config.output.iterdir()):
            raise UserError(another) from error
        return
    except OSError as error:
        raise UserError(f"--output={config.output} cannot be read ({error.strerror})") from error
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(another) from error
    for flag, ours in settings.items():
        theirs = there.get(flag, False if flag == "changed_copies" else None)
        if theirs == ours:
            continue
        holds = {
            "checksum": "was drawn from other weights than --saved_model holds now",
            "verdict": "says another verdict on copying than the model's card does now",
            "data_dir": "was compared with another --data_dir",
            "changed_copies": "was begun when --data_dir had another embedding beside it, or none",
        }.get(flag, f"holds a release with --{flag}={theirs}, not {ours}")
        raise UserError(f"--output={config.output} {holds}; give another folder")
