"""What the verdict on copying is decided by."""

from __future__ import annotations

import dataclasses

from mrisynth.errors import UserError

CHANCE = 0.5
"""Area under the curve of a guess."""


@dataclasses.dataclass(frozen=True)
class Thresholds:
    """What the verdict is decided by.

    Attributes:
        copy_ratio: A generated image is a copy if it is nearer to a training slice than the closest part of
            the held-out slices, and its distance to that subject is less than this part of the distance to
            any other.
        closest_part: Of the held-out slices, against which generated images are close.
        max_closer_share: More generated images than this are not explained by chance.
        max_membership_auc: Area under the membership attack's curve that is still harmless.
        max_auc_error: Half the interval of that area, in the absence of any leak, beyond which there are too
            few subjects to say anything.
    """

    copy_ratio: float = 0.25
    closest_part: float = 0.01
    max_closer_share: float = 0.05
    max_membership_auc: float = 0.7
    max_auc_error: float = 0.2

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if not 0 < value < 1:
                raise UserError(f"--{field.name}={value} must be more than 0 and less than 1")
        if self.max_membership_auc <= CHANCE:
            raise UserError(
                f"--max_membership_auc={self.max_membership_auc} must be more than 0.5, which is guessing"
            )
