"""Head phantoms: scans that are drawn rather than taken, written as a BIDS data set.

The way of a phantom: its anatomy is drawn, and the distance fields of its structures are evaluated on a grid
that lies as its acquisition does. Slab by slab, the scanner interpolates them to voxels, turns them into
tissues, paints these in every contrast, and adds bias field and noise. Everything follows from seed and
subject.
"""

from __future__ import annotations

import concurrent.futures
import dataclasses
import functools
import gzip
import json
import multiprocessing
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import nibabel

from mrisynth import screen
from mrisynth.atomic_io import folder_aside, folder_to_write
from mrisynth.cores import available_cores
from mrisynth.locking import exclusive
from mrisynth.phantoms.anatomy import draw_anatomy, noise_stream, random_streams
from mrisynth.phantoms.contrast import CONTRASTS, FLAIR
from mrisynth.phantoms.mark import mark
from mrisynth.phantoms.scanner import acquire, coarse_grid, draw_scanner, field_of_view, to_image
from mrisynth.phantoms.structures import evaluate_fields


@dataclasses.dataclass(frozen=True)
class Phantom:
    """One subject's scans.

    Attributes:
        subject: Label, "phantom001" for subject 1.
        images: Volumes by contrast, int16, all on one grid; the affine maps to world RAS in mm, the world's
            origin inside the head.
        lesion_mask: uint8 on that grid, 1 where there is a lesion.
        age: Years.
        sex: "F" or "M".
        lesions: How many lesions were placed.
    """

    subject: str
    images: Mapping[str, nibabel.Nifti1Image]
    lesion_mask: nibabel.Nifti1Image
    age: int
    sex: str
    lesions: int


def draw_phantom(subject: int, seed: int = 0, contrasts: Sequence[str] = (FLAIR,)) -> Phantom:
    """Draws one subject in some of `CONTRASTS`; 1 is "phantom001".

    The same arguments give the same phantom, and a scan is the same whatever else is drawn.
    """
    streams = random_streams(subject, seed)
    anatomy, scanner = draw_anatomy(subject, seed), draw_scanner(subject, seed)
    affine, shape = field_of_view(anatomy, scanner)
    world = coarse_grid(affine, shape, scanner.voxel_size)
    fields = evaluate_fields(world, anatomy, streams.shapes)
    noises = {contrast: noise_stream(subject, seed, contrast) for contrast in contrasts}
    values, lesions = acquire(fields, anatomy, scanner, shape, noises)
    images = {name: to_image(volume, affine, scanner.orientation) for name, volume in values.items()}
    for image in images.values():
        mark(image)
    return Phantom(
        subject=f"phantom{subject:03d}",
        images=images,
        lesion_mask=to_image(lesions, affine, scanner.orientation),
        age=anatomy.age,
        sex=anatomy.sex,
        lesions=len(anatomy.lesions),
    )


def _write_image(image: nibabel.Nifti1Image, path: Path) -> None:
    """Writes NIfTI, lightly compressed and without a time stamp, so that equal images are equal files."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file, gzip.GzipFile("", "wb", compresslevel=1, fileobj=file, mtime=0) as packed:
        packed.write(image.to_bytes())


def _write_subject(directory: Path, seed: int, contrasts: Sequence[str], subject: int) -> str:
    """Writes one subject's files; returns its line of participants.tsv."""
    phantom = draw_phantom(subject, seed, contrasts)
    name = f"sub-{phantom.subject}"
    for contrast, image in phantom.images.items():
        _write_image(image, directory / name / "anat" / f"{name}_{contrast}.nii.gz")
    derivative = directory / "derivatives" / "lesion" / name / "anat" / f"{name}_label-lesion_mask.nii.gz"
    _write_image(phantom.lesion_mask, derivative)
    return f"{name}\t{phantom.age}\t{phantom.sex}\t{phantom.lesions}\n"


def _write_all(write: Callable[[int], str], subjects: int, num_workers: int) -> list[str]:
    """Writes every subject, in processes if there are several workers, and returns their lines in order."""
    numbers = range(1, subjects + 1)
    bar = functools.partial(screen.counted, title="drawing phantoms", total=subjects)
    if num_workers == 1:
        return list(bar(map(write, numbers)))
    # Processes are spawned, not forked: a fork of a process that runs TensorFlow can hang.
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(num_workers, mp_context=context) as pool:
        return list(bar(pool.map(write, numbers)))


def write_phantoms(
    directory: str | os.PathLike,
    subjects: int = 32,
    seed: int = 0,
    num_workers: int | None = None,
    contrasts: Sequence[str] = (FLAIR,),
) -> None:
    """Writes a BIDS data set of phantoms with their lesion masks.

    Each subject's contrasts show one anatomy on one grid, and have one mask.

    The data set appears under its name only when it is complete.

    With several workers, a script that calls this needs the usual `if __name__ == "__main__":`, as with
    all of Python's spawned processes.

    Args:
        directory: Where to write it; must not exist.
        subjects: How many subjects; each is the same whatever their number.
        seed: Seed of the whole data set.
        num_workers: Processes to draw with; by default one for each core.
        contrasts: What every subject is drawn in, of `CONTRASTS`. Files are the same whatever else is drawn.

    Raises:
        ValueError: If there is no such contrast, or none is named.
        FileExistsError: If `directory` exists.
        LockedError: If another process is writing it.
    """
    if not contrasts or not CONTRASTS.keys() >= set(contrasts):
        raise ValueError(f"contrasts={tuple(contrasts)}: phantoms are drawn in {', '.join(CONTRASTS)}")
    directory = Path(directory).absolute()
    if directory.exists():
        raise FileExistsError(f"{directory} exists already; remove it or name another folder")
    num_workers = max(1, min(num_workers or available_cores(), subjects))
    with (
        folder_to_write(directory.parent),
        exclusive(directory.with_name(f".{directory.name}.lock")),
        folder_aside(directory) as aside,
    ):
        write = functools.partial(_write_subject, aside, seed, tuple(contrasts))
        lines = _write_all(write, subjects, num_workers)
        (aside / "participants.tsv").write_text("participant_id\tage\tsex\tlesions\n" + "".join(lines))
        description = {"Name": "mrisynth head phantoms", "BIDSVersion": "1.9.0", "DatasetType": "raw"}
        (aside / "dataset_description.json").write_text(json.dumps(description, indent=2) + "\n")
