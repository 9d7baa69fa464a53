"""Which scans of a session are the channels of its samples: FLAIR,T1w[ce-GAD],mask:lesion."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from mrisynth.data.finding.scans import Scan
from mrisynth.data.finding.wanted_contrasts import WantedContrast, split_contrasts, wanted_contrasts
from mrisynth.errors import UserError

IMAGE = "image"
"""What the only channel of images is called where contrasts differ from sample to sample."""

_MASK = "mask:"
_MASK_NAME = " mask"
_NO_MASK = "mask missing:"


@dataclasses.dataclass(frozen=True)
class Channels:
    """The channels that are wanted.

    Attributes:
        contrasts: Those that are images, in order; the first has the grid that the others are brought to.
        names: What all channels are called, in order.
        mask: Index of the channel that is the lesion mask; None if none is.
    """

    contrasts: tuple[WantedContrast, ...]
    names: tuple[str, ...]
    mask: int | None


def mask_of(channel: str) -> str | None:
    """What the mask is of that a channel holds, "lesion" of the channel "lesion mask"; None of an image."""
    return channel.removesuffix(_MASK_NAME) if channel.endswith(_MASK_NAME) else None


def mask_channels(channels: Sequence[str]) -> list[int]:
    """Which of these channels, by their names, are masks."""
    return [index for index, name in enumerate(channels) if mask_of(name) is not None]


def wanted_channels(text: str, suffix: str = "") -> Channels:
    """Reads --channels.

    Args:
        text: Contrasts as --suffix takes them, and "mask:NAME" for the lesion masks, separated by commas.
        suffix: The contrasts of --suffix, each scan of which is a sample of its own; the text then names the
            mask alone, as in "image,mask:lesion".

    Raises:
        UserError: It is not written that way, or the first is no image.
    """
    parts = split_contrasts(text)
    masks = [number for number, part in enumerate(parts) if part.startswith(_MASK)]
    contrasts = wanted_contrasts(",".join(p for p in parts if not p.startswith(_MASK)), "--channels")
    if suffix and [contrast.text for contrast in contrasts] != [IMAGE]:
        raise UserError(
            f"--channels={text}: with --suffix each scan is a sample of its own, whose channels can be "
            f"{IMAGE},mask:lesion; without --suffix, contrasts of a session are channels of one sample"
        )
    if len(masks) > 1 or 0 in masks or any(parts[number] == _MASK for number in masks):
        raise UserError(
            f"--channels={text}: the first channel is an image, and one at most is a mask, as in "
            "FLAIR,mask:lesion"
        )
    names = [contrast.label for contrast in contrasts]
    for number in masks:
        names.insert(number, parts[number].removeprefix(_MASK) + _MASK_NAME)
    return Channels(contrasts, tuple(names), masks[0] if masks else None)


def one_scan_a_session(scans: Sequence[Scan], channels: Channels, allow_missing: bool) -> list[Scan]:
    """Puts the scans of each session together.

    Args:
        scans: Of all contrasts, each with its contrast's label as its suffix.
        channels: What a session should have.
        allow_missing: Whether a session that lacks another channel than the first is used.

    Returns:
        One scan for each session, that of the first channel with the others beside it; sessions that cannot
        be used are there with the reason, and so are files of no use beside others of their channel.
    """
    sessions: dict[tuple[str, str, str], list[Scan]] = {}
    for number, scan in enumerate(scans):
        # What is known to be of nobody or of no use stays by itself.
        alone = str(number) if not scan.subject or (scan.fault and not scan.suffix) else ""
        sessions.setdefault((scan.subject, scan.session, alone), []).append(scan)
    found: list[Scan] = []
    for key, there in sessions.items():
        found += there if key[2] else _together(there, channels, allow_missing)
    return found


def _together(there: Sequence[Scan], channels: Channels, allow_missing: bool) -> list[Scan]:
    by_label = {
        contrast.label: [scan for scan in there if scan.suffix.casefold() == contrast.label.casefold()]
        for contrast in channels.contrasts
    }
    usable = [[scan for scan in found if not scan.fault] for found in by_label.values()]
    scans = [next(iter(fit or found), None) for fit, found in zip(usable, by_label.values(), strict=True)]
    named = next(filter(None, scans), there[0])
    first = _with_mask(named, there)
    missing = [label for label, found in by_label.items() if not found]
    missing += [channels.names[channels.mask]] if channels.mask is not None and first.mask is None else []
    several = next((fit for fit in usable if len(fit) > 1), None)
    faulty = next((scan for scan in scans if scan is not None and scan.fault), None)
    fault = ""
    if several:
        names = ", ".join(scan.name for scan in several)
        fault = f"several scans of its session are one channel ({names}); choose, as in T1w[acq-x]"
    elif faulty:
        fault = faulty.fault if faulty is named else f"{faulty.name} cannot be used: {faulty.fault}"
    elif scans[0] is None or (missing and not allow_missing):
        fault = f"its session lacks {', '.join(missing)}"
    others = tuple(scan and _beside(scan, first) for scan in scans[1:])
    of_no_use = [scan for scan in there if scan.fault and not any(scan is each for each in (named, *scans))]
    return [dataclasses.replace(first, fault=fault, others=others), *of_no_use]


def _with_mask(first: Scan, there: Sequence[Scan]) -> Scan:
    """The scan of the first channel; where no mask is its own, with that of another scan of the session."""
    mask = next((scan.mask for scan in there if scan.mask is not None), None)
    if first.mask is not None or mask is None or not any(map(_lacks_mask, first.warnings)):
        return first
    warnings = tuple(warning for warning in first.warnings if not _lacks_mask(warning))
    return dataclasses.replace(first, mask=mask, warnings=warnings)


def _lacks_mask(warning: str) -> bool:
    return warning.startswith(_NO_MASK)


def _beside(other: Scan, first: Scan) -> Scan:
    """A further channel with the warnings that are its own; there is one mask for all channels."""
    warnings = tuple(
        warning for warning in other.warnings if warning not in first.warnings and not _lacks_mask(warning)
    )
    return dataclasses.replace(other, warnings=warnings)
