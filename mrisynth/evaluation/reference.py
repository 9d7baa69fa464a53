"""The real images that generated ones are compared with: both sides of a prepared data set."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from mrisynth import checksums, screen
from mrisynth.data import open_dataset, read_manifest
from mrisynth.data.finding.channels import mask_channels
from mrisynth.data.labels import UNCONDITIONAL, LabelSchema
from mrisynth.data.preparing.duplicates import persons
from mrisynth.data.storing.manifest import Split
from mrisynth.data.storing.storage import read_labels
from mrisynth.errors import UserError
from mrisynth.evaluation.config import FEWEST_EVALUATED, SMALLEST_RESOLUTION
from mrisynth.evaluation.joined_halves import find_partners
from mrisynth.image_io import to_gray
from mrisynth.privacy.searches import ReferenceImages, Slices

ZERO = 127
"""The gray value that stands for 0: a mask counts where it is above."""

_RESOLUTIONS = tuple(2**power for power in range(2, 13))
"""Those that the same scans are known at: 4 to 4096."""

_BATCH = 64


def load_reference(
    data_dir: pathlib.Path, resolution: int, schema: LabelSchema = UNCONDITIONAL
) -> ReferenceImages:
    """Reads a data set at one resolution.

    Args:
        data_dir: Data set that mrisynth-prepare has written.
        resolution: Pixels along an edge; the generator's.
        schema: The labels that are wanted; what the data set does not have is unknown.

    Returns:
        Its slices, by subject; subjects who share scans count as one.

    Raises:
        UserError: If there is no such data set, not at this resolution, without a held-out side, or with too
            few slices to compare.
    """
    if resolution < SMALLEST_RESOLUTION:
        raise UserError(
            f"images of {resolution}x{resolution} are too small to evaluate; {SMALLEST_RESOLUTION}x"
            f"{SMALLEST_RESOLUTION} is the least"
        )
    manifest = read_manifest(data_dir)
    if not manifest.has_heldout:
        raise UserError(
            f"--data_dir: {data_dir} has no held-out subjects, without whom neither quality nor copying "
            "can be measured; prepare it with --holdout=0.2"
        )
    sides, names = {}, persons(manifest)
    for side, split in (("training", Split.TRAIN), ("heldout", Split.HELDOUT)):
        shape = manifest.array_shape(split, resolution)
        slices = _load_side(data_dir, split, shape, names)
        table = read_labels(data_dir, manifest, split)
        labels = schema.encode(table, len(slices.images)) if schema.width else None
        lacking = [
            np.array(table.get(f"has/{name}", ["yes"] * len(slices.images))) == "no"
            for name in manifest.channels
        ]
        # Halves of two subjects are joined where both have the same contrasts.
        kinds = [*zip(table["suffix"], *lacking, strict=True)]
        sides[side] = dataclasses.replace(
            slices,
            labels=labels,
            lacking=np.stack(lacking, axis=-1),
            partners=find_partners(slices.subjects, table["source"], [str(kind) for kind in kinds]),
        )
        check_images(f"{side} slices".replace("heldout", "held-out"), sides[side].images)
    return ReferenceImages(
        **sides,
        channels=manifest.channels,
        fingerprint=manifest.fingerprint,
        other_resolutions=frozenset(map(manifest.fingerprint_at, _RESOLUTIONS)),
        phantoms=manifest.phantoms,
        folder=data_dir,
    )


def check_trained_on(data_dir: pathlib.Path, trained_on: str | None, model: str) -> bool:
    """Checks that a data set is the one that a generator was trained on.

    Args:
        data_dir: The data set.
        trained_on: Fingerprint of the generator's own; None where the generator does not say.
        model: The flag that names the generator, with its value.

    Returns:
        Whether it is; False where the generator does not say.

    Raises:
        UserError: If it is another.
    """
    fingerprint = read_manifest(data_dir).fingerprint
    if trained_on is not None and trained_on != fingerprint:
        raise UserError(
            f"--data_dir: {data_dir} (fingerprint {checksums.short(fingerprint)}) is not the data set that "
            f"{model} was trained on (fingerprint {checksums.short(trained_on)}); name that one, as copying "
            "can only be measured against the scans it was trained on"
        )
    return trained_on is not None


def _load_side(
    data_dir: pathlib.Path, split: Split, shape: tuple[int, int, int, int], names: Mapping[str, str]
) -> Slices:
    images = np.empty(shape, np.uint8)
    subjects = []
    dataset = open_dataset(data_dir, shape[1], _BATCH, split=split, shuffle=False, repeat=False, labels=True)
    with screen.Bar(f"reading {split} slices", len(images)) as bar:
        for batch in dataset.as_numpy_iterator():
            start = len(subjects)
            subjects.extend(names[subject.decode("utf-8", "surrogateescape")] for subject in batch["subject"])
            images[start : len(subjects)] = to_gray(batch["image"])
            bar.update(len(subjects) - start)
    return Slices(images, np.array(subjects))


def check_images(name: str, images: NDArray[np.uint8]) -> None:
    """Checks that a set of images can be compared with another.

    Raises:
        UserError: If there are too few, or they show nothing or all the same.
    """
    if len(images) < FEWEST_EVALUATED:
        raise UserError(f"{len(images)} {name} are too few to evaluate; it takes {FEWEST_EVALUATED}")
    if all((image == images[0]).all() for image in images):
        raise UserError(f"all {name} are the same image; there is nothing to compare")
    if all((image == image[0, 0]).all() for image in images):
        raise UserError(f"the {name} are constant; there is nothing to compare")


def whole_masks(images: NDArray[np.uint8], channels: Sequence[str]) -> NDArray[np.uint8]:
    """Images [N, H, H, C] whose masks are 255 where they are above 0 in [-1, 1], and 0 elsewhere.

    Masks count so, inside or outside, without what is faint. Other channels stay as they are.
    """
    masks = mask_channels(channels)
    if not masks:
        return images
    whole = images.copy()
    whole[..., masks] = np.where(images[..., masks] > ZERO, 255, 0)
    return whole
