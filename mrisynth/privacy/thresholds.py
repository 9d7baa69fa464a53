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
        copy_ratio: A generated image is a copy if it is nearer to a training slice than half of the held-out
            slices, and its distance to that subject is less than this part of the distance to any other.
        max_unseen_copies: Too few images are generated if a larger part of them could be copies, none of
            which has been drawn.
        closest_part: Of the held-out slices, against which generated images are close.
        max_closer_share: Part of the generated images that may be close before it is a doubt.
        min_c_t: C_T below which it is a doubt.
        max_membership_auc: Area under the membership attack's curve that is still harmless.
        max_auc_error: Half the interval of that area, in the absence of any leak, beyond which there are too
            few subjects to say anything.
    """

    copy_ratio: float = 0.25
    max_unseen_copies: float = 0.01
    closest_part: float = 0.01
    max_closer_share: float = 0.05
    min_c_t: float = -3.0
    max_membership_auc: float = 0.7
    max_auc_error: float = 0.2

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if field.name != "min_c_t" and not 0 < value < 1:
                raise UserError(f"--{field.name}={value} must be more than 0 and less than 1")
        if self.min_c_t > 0:
            raise UserError(f"--min_c_t={self.min_c_t} must not be more than 0, which is no copying at all")
        if self.max_membership_auc <= CHANCE:
            raise UserError(
                f"--max_membership_auc={self.max_membership_auc} must be more than 0.5, which is guessing"
            )
        if not 0.01 <= self.max_auc_error < CHANCE:
            raise UserError(f"--max_auc_error={self.max_auc_error} must be at least 0.01 and less than 0.5")
