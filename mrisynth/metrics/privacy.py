"""Whether generated images are copies of training images."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from mrisynth.metrics.estimates import Interval

NO_SIGN = "no sign of copying"
INCONCLUSIVE = "inconclusive"
COPIES_FOUND = "copies found"


@dataclasses.dataclass(frozen=True)
class Closeness:
    """How close generated images come to training images, by one measure of distance.

    Attributes:
        measure: "pixels" (1 - correlation after alignment) or "features" (Euclidean).
        generated: Distance of every generated image to its nearest training slice, [N].
        heldout: The same of every held-out slice, [M].
        closer_share: Part of the generated images that are closer than the closest 1 % of held-out slices.
        authenticity: AuthPct: part of the generated images that are farther from their nearest training slice
            than that is from every slice of other subjects.
        authenticity_heldout: The same of the held-out slices.
        c_t: C_T; far below 0 where generated images are closer than new patients.
        membership_auc: Area under the curve of an attack that guesses from the distance to the nearest
            generated image whether a subject was trained on; 0.5 is guessing.
    """

    measure: str
    generated: NDArray[np.float64]
    heldout: NDArray[np.float64]
    closer_share: Interval
    authenticity: Interval
    authenticity_heldout: Interval
    c_t: Interval
    membership_auc: Interval


@dataclasses.dataclass(frozen=True)
class Verdict:
    """The answer in plain words.

    Attributes:
        words: `NO_SIGN`, `INCONCLUSIVE` or `COPIES_FOUND`.
        reasons: What it rests on, each a sentence.
    """

    words: str
    reasons: tuple[str, ...]
