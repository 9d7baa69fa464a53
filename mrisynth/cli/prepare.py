"""Turns a folder of MR scans into a data set to train on.

    mrisynth-prepare --input=runs/quickstart/phantoms/scans --output=data
    mrisynth-prepare --input=runs/quickstart/phantoms/scans --output=data_32 --resolution=32 --holdout=0.3

The scans of these examples are what the quickstart (mrisynth-train --help) has drawn. Yours are a BIDS data
set, or any folder or list of files: DICOM, or what nibabel reads. --output gets arrays of images (.npy),
labels.tsv, manifest.json, contact_sheet.png and histogram.png.
"""

from __future__ import annotations

from absl import flags

from mrisynth.cli import app, prepare_flags
from mrisynth.data import Manifest, prepare_dataset
from mrisynth.data.conditions.groups import LabelGroups, label_groups
from mrisynth.data.preparing.contact_sheet import CONTACT_SHEET
from mrisynth.data.storing.manifest import lengths_in_words
from mrisynth.privacy.verdict import Thresholds, lack_of_subjects

_MOST_ROWS = 12


def main() -> None:
    """Runs the program."""
    app.run(_prepare, prepare_flags.define, __doc__)


def _prepare(values: flags.FlagValues) -> None:
    """Prepares the data set and says what it holds."""
    config = prepare_flags.config(values)
    print(summary(prepare_dataset(config), config.output))


def summary(manifest: Manifest, output: str) -> str:
    """What was prepared, in a few lines."""
    lines = [
        f"{name}: {split.slices} slices of {len(split.subjects)} subject{'s'[: len(split.subjects) != 1]}"
        for name, split in manifest.splits.items()
    ]
    sizes = (len(split.subjects) for split in manifest.splits.values())
    lines += few_subjects(*sizes, manifest.settings["holdout"])
    dropped = ", ".join(f"{count} {reason}" for reason, count in manifest.dropped.items())
    lines.append(f"slices left out: {dropped or 'none'}")
    lines.append(f"slices: {slices_in_words(manifest)}")
    lines.append(f"files: {len(manifest.used)} used, {len(manifest.skipped)} skipped")
    lines += warnings(manifest)
    lines += groups_in_words(label_groups(manifest))
    lines.append(f"see {output}/{CONTACT_SHEET}")
    return "\n".join(lines)


def groups_in_words(groups: LabelGroups) -> list[str]:
    """Subjects by combination of categories, and what to know before a generator is asked for these."""
    lines = []
    if groups.labels:
        head = (*groups.labels, "train", "heldout")
        rows = [(*values, *map(str, counts)) for values, counts in groups.subjects.items()]
        widths = [max(map(len, column)) for column in zip(head, *rows[:_MOST_ROWS], strict=True)]
        lines.append("subjects by label:")
        for row in (head, *rows[:_MOST_ROWS]):
            cells = (text.ljust(width) for text, width in zip(row, widths, strict=True))
            lines.append(f"  {'  '.join(cells).rstrip()}")
        if len(rows) > _MOST_ROWS:
            lines.append(f"  and {len(rows) - _MOST_ROWS} more combinations")
    lines += [f"confounded: {sentence}" for sentence in groups.confounded[:_MOST_ROWS]]
    if groups.identifying:
        lines.append(f"no conditions, since they identify people: {', '.join(groups.identifying)}")
    return lines


def few_subjects(training: int, heldout: int, holdout: float) -> list[str]:
    """Says where there are too few subjects to tell anything of copying, and how many would do."""
    if heldout:
        lack = lack_of_subjects(training, heldout, Thresholds())
        return [lack] if lack else []
    advice = "raise --holdout"
    if training < 2:
        advice = "it takes several subjects"
    elif holdout > 0:
        advice = "all of them share scans"
    return [f"no subject is held out, so memorization cannot be measured; {advice}"]


def slices_in_words(manifest: Manifest) -> str:
    """Of how many files slices were kept as they were acquired, and of how many they are interpolated."""
    parts = []
    for acquired, words in ((True, "as acquired"), (False, "interpolated")):
        lengths = [source.slice_thickness_mm for source in manifest.used if source.acquired == acquired]
        if lengths:
            count = f"{len(lengths)} of {len(manifest.used)} files"
            parts.append(f"{words} in {count}, {lengths_in_words(lengths)} thick")
    return "; ".join(parts)


def warnings(manifest: Manifest) -> list[str]:
    """A line for every kind of warning: how many files have it, and what it says of the first of them."""
    kinds: dict[str, list[tuple[str, str]]] = {}
    for source in manifest.sources:
        for warning in source.warnings:
            kind, _, text = warning.partition(":")
            kinds.setdefault(kind, []).append((source.name, text.strip()))
    return [
        f"{len(warned)} of {len(manifest.sources)} files: {kind} ({': '.join(filter(None, warned[0]))})"
        for kind, warned in kinds.items()
    ]
