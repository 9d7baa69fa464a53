"""The flags of preparing scans."""

from __future__ import annotations

from absl import flags

from mrisynth.cli.flag_values import define_fields, expanded, from_flags, group, path, paths
from mrisynth.data.config import PreparationConfig
from mrisynth.errors import UserError

_SCANS = {
    "output": "Folder for the prepared data set; made by this program.",
    "suffix": "Contrast to take, for instance FLAIR, or several, of which each scan is a sample with its "
    "contrast as a label: FLAIR,T1w[ce-GAD],T1w[!ce] (where one suffix has several, by BIDS entities); empty "
    "takes the only one there is.",
    "channels": "Contrasts of a session that are the channels of its samples, on the grid of the first, and "
    "mask:NAME for its mask of --masks: FLAIR,T1w[!ce],mask:lesion.",
    "allow_missing": "Use sessions that lack another channel than the first; labels has/... say which have "
    "it.",
    "series": "Regular expression that chooses DICOM series by their descriptions; empty goes by --suffix.",
    "subject_regex": "Regular expression whose first group, or whole match, in a file's path is its subject; "
    "empty goes by BIDS names, else by what tells the paths apart.",
    "masks": "Folder of lesion masks, within each input folder or absolute, for instance derivatives/lesion.",
    "volume_index": "Which volume of scans that have a time axis.",
    "holdout": "Part of the subjects to hold out from training.",
    "stratify": "Columns of participants.tsv, for instance site,sex: the part is held out of every "
    "combination of their values.",
}
_SLICES = {
    "plane": "How the scans are sliced.",
    "slices": "native keeps the slices that were acquired, isotropic cuts slices as thin as --voxel_size "
    "from an interpolated volume; auto takes native where slices are more than twice as far apart as their "
    "pixels are wide.",
    "voxel_size": "Edge of the resampled voxels in mm; of native slices, of their pixels.",
    "interpolation": "How the scans are resampled.",
    "resolution": "Pixels along an edge of the largest images, a power of two; every smaller one is stored, "
    "too.",
    "field_of_view": "Edge of an image in mm, centered on the head.",
    "intensity_percentiles": "Intensities that become -1 and 1: percentile of all voxels, percentile of the "
    "foreground.",
    "min_head_fraction": "Least head area of a slice, as a part of the area in the scan's largest slice.",
}
_WORK = {
    "num_workers": "Processes; 0 for one per available core.",
    "strict": "End at the first scan that cannot be used.",
}


def define(values: flags.FlagValues) -> None:
    """Defines a flag for every field of `PreparationConfig`."""
    shown = group(values, "Scans")
    text = (
        "Folders and files of scans, separated by commas, unless one with the comma in its name is there; "
        "may be given several times."
    )
    flags.DEFINE_multi_string("input", [], text, **shown)
    define_fields(PreparationConfig, _SCANS, **shown)
    text = (
        "The subjects to hold out, in the place of a part: a text file with a name on each line, or names "
        "separated by commas."
    )
    flags.DEFINE_string("holdout_subjects", "", text, **shown)
    define_fields(PreparationConfig, _SLICES, **group(values, "Slices"))
    define_fields(PreparationConfig, _WORK, **group(values, "Work"))


def config(values: flags.FlagValues) -> PreparationConfig:
    """Makes a configuration of the flags.

    Raises:
        UserError: If a flag has a value that it cannot have.
    """
    try:
        percentiles = tuple(map(float, values.intensity_percentiles))
    except ValueError as error:
        raise UserError("--intensity_percentiles takes two numbers, for instance 1,99.5") from error
    return from_flags(
        values,
        PreparationConfig,
        input=paths(values, "input"),
        output=str(path(values, "output") or ""),
        holdout_subjects=_names(values.holdout_subjects),
        masks=str(path(values, "masks") or ""),
        intensity_percentiles=percentiles,
    )


def _names(given: str) -> tuple[str, ...]:
    """The names in a file, or those that are given themselves."""
    file = expanded(given)
    try:
        is_file = bool(given) and file.is_file()
    except OSError:  # Many names are too long for one.
        is_file = False
    if not is_file:
        return tuple(name.strip() for name in given.split(",") if name.strip())
    try:
        lines = file.read_text(encoding="utf-8-sig", errors="surrogateescape").splitlines()
    except OSError as error:
        raise UserError(f"--holdout_subjects: {file} cannot be read ({error.strerror})") from error
    names = tuple(line.strip() for line in lines if line.strip())
    if not names:
        raise UserError(f"--holdout_subjects: {file} has no name in it; write one on each line")
    return names
