"""Which subjects are held out from training: a share to the nearest subject, in strata, or by name.

Subjects are taken in the order of a hash of their names, which is as good as a random order and the same on
every machine. Adding subjects moves one that was there only if it stands near the end of the share.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence

from mrisynth.errors import UserError

Unit = tuple[str, ...]
"""Subjects that stand on the same side, in the order of their names' hashes."""


def held_out(
    subjects: Iterable[str],
    share: float,
    strata: Mapping[str, object] | None = None,
    together: Iterable[Collection[str]] = (),
) -> frozenset[str]:
    """Chooses the subjects to hold out.

    Args:
        subjects: Names of all subjects.
        share: Part of them to hold out, in [0, 1).
        strata: The stratum of every subject, within each of which the share is kept as well as whole
            subjects allow; None for no strata.
        together: Groups of subjects that must stand on the same side.

    Returns:
        The names of those that are held out: the share to the nearest subject, but at least one, and at
        least one to train on; none if the share is 0 or there is only one to choose.
    """
    units = units_of(subjects, together)
    if share == 0 or len(units) < 2:
        return frozenset()
    cells: dict[object, list[Unit]] = {}
    for unit in units:
        cells.setdefault(strata[unit[0]] if strata else None, []).append(unit)
    total = sum(map(len, units))
    wanted = min(max(1, round(share * total)), total - 1)
    chosen = [
        unit
        for cell, count in zip(cells.values(), _quotas(list(cells.values()), share, wanted), strict=True)
        for unit in _nearest(cell, count)
    ]
    if not chosen:
        chosen = [min(units, key=lambda unit: abs(len(unit) - wanted))]
    if len(chosen) == len(units):
        chosen.remove(units[-1])
    return frozenset(name for unit in chosen for name in unit)


def units_of(subjects: Iterable[str], together: Iterable[Collection[str]]) -> list[Unit]:
    """What can be moved from side to side: subjects, or groups of them that may be one person.

    Args:
        subjects: Names of all subjects.
        together: Groups of subjects that must stand on the same side; those that overlap are one.

    Returns:
        The units, in the order of hashes, every subject in one.
    """
    unit_of = {subject: {subject} for subject in sorted(set(subjects))}
    for group in together:
        merged = set().union(*(unit_of[subject] for subject in group if subject in unit_of))
        for subject in merged:
            unit_of[subject] = merged
    distinct = {id(unit): unit for unit in unit_of.values()}.values()
    return sorted((tuple(sorted(unit, key=_place)) for unit in distinct), key=lambda unit: _place(unit[0]))


def named_subjects(names: Collection[str], subjects: Collection[str]) -> frozenset[str]:
    """Finds the subjects that a user named, with or without the "sub-" that BIDS puts before them.

    Raises:
        UserError: A name is not among all subjects, or nobody is left to train on.
    """
    found = {name: name if name in subjects else f"sub-{name}" for name in names}
    unknown = sorted(name for name, subject in found.items() if subject not in subjects)
    if unknown:
        raise UserError(
            f"--holdout_subjects: there is no file and no subject {', '.join(unknown[:5])}; "
            f"subjects are {', '.join(sorted(subjects)[:5])}{', ...' if len(subjects) > 5 else ''}"
        )
    if len(set(found.values())) == len(subjects):
        raise UserError("--holdout_subjects names every subject; leave at least one to train on")
    return frozenset(found.values())


def check_together(chosen: Collection[str], together: Iterable[Collection[str]]) -> None:
    """Checks that subjects who must stand on the same side do so.

    Raises:
        UserError: Some of a group are held out, and others are not.
    """
    for group in together:
        inside = sorted(set(group) & set(chosen))
        outside = sorted(set(group) - set(chosen))
        if inside and outside:
            raise UserError(
                f"--holdout_subjects: {inside[0]} and {outside[0]} have a scan of the same voxels; "
                "name both or neither"
            )


def _place(subject: str) -> bytes:
    """The hash by which subjects are ordered; names need not be UTF-8."""
    return hashlib.sha256(subject.encode("utf-8", "surrogateescape")).digest()


def _quotas(cells: Sequence[Sequence[Unit]], share: float, wanted: int) -> list[int]:
    """How many subjects of each stratum to hold out, by largest remainders, `wanted` in all."""
    exact = [share * sum(map(len, cell)) for cell in cells]
    quotas = [int(quota) for quota in exact]
    remainders = sorted(range(len(cells)), key=lambda index: quotas[index] - exact[index])
    for index in remainders[: max(0, wanted - sum(quotas))]:
        quotas[index] += 1
    return quotas


def _nearest(units: Sequence[Unit], count: int) -> list[Unit]:
    """The first units, but for those that would lead away from `count` subjects."""
    taken: list[Unit] = []
    missing = count
    for unit in units:
        if abs(missing - len(unit)) < abs(missing):
            taken.append(unit)
            missing -= len(unit)
    return taken
