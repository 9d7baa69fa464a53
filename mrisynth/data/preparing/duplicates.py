"""Scans of the same voxels or the same image: under two names, in two formats, under two subjects."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence

from mrisynth.data.preparing.split import units_of
from mrisynth.data.storing.manifest import Manifest, Source


class RepeatedScans:
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


def same_voxels(sources: Sequence[Source], pairs: Iterable[tuple[int, int]] = ()) -> list[frozenset[str]]:
    """Finds subjects that have scans of the same voxels, or of the same image, in whatever channels.

    Args:
        sources: Files; those that are skipped do not count.
        pairs: Sources that show the same image, by their numbers (see `image_copies.same_images`).

    Returns:
        Groups of two subjects or more, who may be one person and must stand on the same side of the split.
    """
    groups = [frozenset(source.subject for source in alike) for alike in _alike(sources).values()]
    groups += [frozenset(sources[number].subject for number in pair) for pair in pairs]
    return [group for group in dict.fromkeys(groups) if len(group) > 1]


def persons(manifest: Manifest) -> dict[str, str]:
    """Who each subject may be: one name for all subjects who share scans.

    A copy of a scan that two subjects have is as near to the one as to the other, and so alone with nobody.

    Args:
        manifest: Of a prepared data set.

    Returns:
        By the name of every subject that gave slices, the name of one subject of its group.
    """
    together = same_voxels(manifest.sources, manifest.same_images)
    units = units_of((source.subject for source in manifest.used), together)
    return {subject: unit[0] for unit in units for subject in unit}


def warned(sources: Sequence[Source], pairs: Iterable[tuple[int, int]] = ()) -> list[Source]:
    """The sources of `same_voxels`; those whose voxels or image another one has, with a warning."""
    alike = _alike(sources)
    partners: dict[int, int] = {}
    for one, other in pairs:
        partners.setdefault(one, other)
        partners.setdefault(other, one)
    return [
        _warned(
            source,
            [other for checksum in _checksums(source) for other in alike.get(checksum, [])],
            sources[partners[number]] if number in partners else None,
        )
        for number, source in enumerate(sources)
    ]


def _warned(source: Source, alike: Sequence[Source], partner: Source | None) -> Source:
    other = next((each for each in alike if each.subject != source.subject), None)
    if source.skipped or (other is None and partner is None):
        return source
    if other is not None:
        warning = f"same voxels: {_shown(other)} of {other.subject} has them, too"
    else:
        warning = f"same image: {_shown(partner)} of {partner.subject} shows it, too, rescaled or mirrored"
    if (other or partner).subject != source.subject:
        warning += "; both subjects stand on the same side of the split"
    return dataclasses.replace(source, warnings=(*source.warnings, warning))


def _alike(sources: Iterable[Source]) -> dict[str, list[Source]]:
    """The used files by the checksum of their voxels."""
    alike: dict[str, list[Source]] = {}
    for source in sources:
        for checksum in _checksums(source):
            alike.setdefault(checksum, []).append(source)
    return alike


def _checksums(source: Source) -> list[str]:
    """Those of the voxels of all its images, if it is used."""
    if source.skipped:
        return []
    others = (other["voxels_checksum"] for other in source.others.values())
    return list(dict.fromkeys((source.voxels_checksum, *others)))


def _shown(source: Source) -> str:
    return source.name + (" or a channel beside it" if source.others else "")
