"""Scans of the same voxels: under two names, in two formats, under two subjects."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence

from mrisynth.data.manifest import Source


class Copies:
    """Finds scans of the same subject that have the voxels of one before them, so that none counts twice."""

    def __init__(self) -> None:
        self._first: dict[tuple[str, str], Source] = {}

    def left_out(self, source: Source) -> Source:
        """The source itself, or a skipped one if its subject has the same voxels in an earlier file."""
        if source.skipped:
            return source
        first = self._first.setdefault((source.subject, source.voxels_checksum), source)
        if first is source:
            return source
        return dataclasses.replace(
            source, skipped=f"its voxels are those of {first.name}", slices=0, dropped={}, warnings=()
        )


def same_voxels(sources: Iterable[Source]) -> list[frozenset[str]]:
    """Finds subjects that have scans of the same voxels.

    Args:
        sources: Files; those that are skipped do not count.

    Returns:
        Groups of two subjects or more, who may be one person and must stand on the same side of the split.
    """
    groups = (frozenset(source.subject for source in alike) for alike in _alike(sources).values())
    return [group for group in groups if len(group) > 1]


def warned(sources: Sequence[Source]) -> list[Source]:
    """The sources; those whose voxels another subject has, too, with a warning."""
    alike = _alike(sources)
    return [_warned(source, alike.get(source.voxels_checksum, [])) for source in sources]


def _warned(source: Source, alike: Sequence[Source]) -> Source:
    other = next((each for each in alike if each.subject != source.subject), None)
    if source.skipped or other is None:
        return source
    warning = (
        f"same voxels: {other.name} of {other.subject} has them, too; both subjects stand on the same side "
        "of the split"
    )
    return dataclasses.replace(source, warnings=(*source.warnings, warning))


def _alike(sources: Iterable[Source]) -> dict[str, list[Source]]:
    """The used files by the checksum of their voxels."""
    alike: dict[str, list[Source]] = {}
    for source in sources:
        if not source.skipped:
            alike.setdefault(source.voxels_checksum, []).append(source)
    return alike
