"""The flags of preparing scans."""

from __future__ import annotations

from absl import flags

from mrisynth.cli.flag_values import define_fields, expanded, from_flags, group, path, paths
from mrisynth.data.config import PreparationConfig
from mrisynth.errors import UserError

_SCANS = ("output", "suffix", "channels", "allow_missing", "series", "subject_regex", "masks", "volume_index")
_SLICES = (
    *("plane", "slices", "voxel_size", "interpolation", "resolution", "field_of_view"),
    *("intensity_percentiles", "min_head_fraction"),
)


def define(values: flags.FlagValues) -> None:
    """Defines a flag for every field of `PreparationConfig`."""
    shown = group(values, "Scans")
    text = (
        "Folders and files of scans, separated by commas, unless one with the comma in its name is there; "
        "may be given several times."
    )
    flags.DEFINE_multi_string("input", [], text, **shown)
    define_fields(PreparationConfig, (*_SCANS, "holdout", "stratify"), **shown)
    text = (
        "The subjects to hold out, in the place of a part: a text file with a name on each line, or names "
        "separated by commas."
    )
    flags.DEFINE_string("holdout_subjects", "", text, **shown)
    define_fields(PreparationConfig, _SLICES, **group(values, "Slices"))
    define_fields(PreparationConfig, ("num_workers", "strict"), **group(values, "Work"))


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
