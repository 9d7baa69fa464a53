"""The one type that flows from storage to the discriminator: images and what is known about them."""

from __future__ import annotations

from typing import Any, NamedTuple


class Samples(NamedTuple):
    """Images with named channels, and their labels; arrays or tensors.

    A data set without labels is the case of width 0, not another type.

    Attributes:
        images: Float32 [N, *space, channels] in [-1, 1].
        labels: Float32 [N, width], encoded by a `mrisynth.data.labels.LabelSchema`.
    """

    images: Any
    labels: Any
