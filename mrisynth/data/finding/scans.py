"""What is known of a scan before it is read."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from mrisynth.data.finding.scan_files import files_of


@dataclasses.dataclass(frozen=True)
class Scan:
    """A file that may be a scan, and what its name and folder say about it.

    Attributes:
        path: The file.
        name: Its path relative to the input folder, with forward slashes; of files that are given themselves,
            relative to the folder that they share.
        input: The input it was found in.
        subject: Whose scan it is.
        session: BIDS session, for instance "ses-1"; empty if none.
        suffix: BIDS suffix, for instance "FLAIR", or the label of the contrast that was asked for; empty if
            none.
        participant: The columns of participants.tsv for this subject.
        mask: Its lesion mask; None if there is none.
        fault: Why it cannot be used, if that is known from the outside; else empty.
        files: The DICOM files that it is made of; empty for any other file.
        others: The scans of its session that are the further channels beside it; None for one that lacks.
        warnings: What a user should know about it, as far as that is known from the outside.
    """

    path: Path
    name: str
    input: str
    subject: str
    session: str = ""
    suffix: str = ""
    participant: dict[str, str] = dataclasses.field(default_factory=dict)
    mask: Path | None = None
    fault: str = ""
    files: tuple[Path, ...] = ()
    others: tuple[Scan | None, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def read_from(self) -> tuple[Path, ...]:
        """All files that its image is read from."""
        return self.files or files_of(self.path)

    def warned(self, *warnings: str, **changes: Any) -> Scan:
        """The scan with further warnings, of which empty ones are none, and other changed fields."""
        return dataclasses.replace(self, warnings=(*self.warnings, *filter(None, warnings)), **changes)
