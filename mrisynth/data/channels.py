"""Which scans of a session are the channels of its samples: FLAIR,T1w[ce-GAD],mask:lesion."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from mrisynth.data.scans import Scan
from mrisynth.data.wanted_contrasts import WantedContrast, split_contrasts, wanted_contrasts
from mrisynth.errors import UserError

_MASK = "mask:"


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


def wanted_channels(text: str) -> Channels:
    """Reads --channels.

    Args:
        text: Contrasts as --suffix takes them, and "mask:NAME" for the lesion masks, separated by commas.

    Raises:
        UserError: It is not written that way, or the first is no image.
    """
    parts = split_contrasts(text)
    masks = [number for number, part in enumerate(parts) if part.startswith(_MASK)]
    contrasts = wanted_contrasts(",".join(p for p in parts if not p.startswith(_MASK)), "--channels")
    if len(masks) > 1 or 0 in masks or any(parts[number] == _MASK for number in masks):
        raise UserError(
            f"--channels={text}: the first channel is an image, and one at most is a mask, as in "
            "FLAIR,mask:lesion"
        )
    names = [contrast.label for contrast in contrasts]
    for number in masks:
        names.insert(number, f"{parts[number].removeprefix(_MASK)} mask")
    return Channels(contrasts, tuple(names), masks[0] if masks else None)


def one_scan_a_session(scans: Sequence[Scan], channels: Channels, allow_missing: bool) -> list[Scan]:
    """Puts the scans of each session together.

    Args:
        scans: Of all contrasts, each with its contrast's label as its suffix.
        channels: What a session should have.
        allow_missing: Whether a session that lacks another channel than the first is used.

    Returns:
        One scan for each session, that of the first channel with the others beside it; sessions that cannot
        be used are there with the reason.
    """
    sessions: dict[tuple[str, str, str], list[Scan]] = {}
    for number, scan in enumerate(scans):
        # What is known to be of nobody or of no use stays by itself.
        alone = str(number) if not scan.subject or (scan.fault and not scan.suffix) else ""
        sessions.setdefault((scan.subject, scan.session, alone), []).append(scan)
    return [
        there[0] if key[2] else _together(there, channels, allow_missing) for key, there in sessions.items()
    ]


def _together(there: Sequence[Scan], channels: Channels, allow_missing: bool) -> Scan:
    by_label = {
        contrast.label: [scan for scan in there if scan.suffix.casefold() == contrast.label.casefold()]
        for contrast in channels.contrasts
    }
    scans = [found[0] if found else None for found in by_label.values()]
    mask = next((scan.mask for scan in there if scan.mask is not None), None)
    missing = [label for label, found in by_label.items() if not found]
    missing += [channels.names[channels.mask]] if channels.mask is not None and mask is None else []
    several = next((found for found in by_label.values() if len(found) > 1), None)
    faulty = next((scan for scan in scans if scan is not None and scan.fault), None)
    fault = ""
    if several:
        names = ", ".join(scan.name for scan in several)
        fault = f"several scans of its session are one channel ({names}); choose, as in T1w[acq-x]"
    elif faulty:
        fault = faulty.fault if faulty is there[0] else f"{faulty.name} cannot be used: {faulty.fault}"
    elif scans[0] is None or (missing and not allow_missing):
        fault = f"its session lacks {', '.join(missing)}"
    first = scans[0] or there[0]
    return dataclasses.replace(first, mask=mask, fault=fault, others=tuple(scans[1:]))
