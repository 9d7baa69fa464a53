"""What the JSON file that BIDS and dcm2niix put beside a scan says of it."""

from __future__ import annotations

import json
import math
from pathlib import Path


def slice_thickness(scan: Path) -> float | None:
    """The thickness of a scan's slices in mm; None if nothing usable is said of it.

    A NIfTI header holds the distance between slices alone, which is more than the thickness where there is a
    gap between them, and less where they overlap.

    Args:
        scan: The scan's file; the JSON file has its name but for the ending.
    """
    name = scan.name.removesuffix(".gz").removesuffix(".bz2")
    try:
        fields = json.loads(scan.with_name(name).with_suffix(".json").read_text(encoding="utf-8"))
        thickness = float(fields["SliceThickness"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return thickness if 0 < thickness < math.inf else None
