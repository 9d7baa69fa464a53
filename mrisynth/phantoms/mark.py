"""How a file says that it is a phantom: in its own header, so that it does so wherever it is moved to."""

from __future__ import annotations

import nibabel

_MARK = b"mrisynth head phantom"


def mark(image: nibabel.Nifti1Image) -> None:
    """Writes into an image's header that it is a phantom."""
    image.header["descrip"] = _MARK


def is_marked(image: nibabel.filebasedimages.FileBasedImage) -> bool:
    """Whether an image of any format says that it is a phantom; one that has lost the mark does not."""
    return "descrip" in getattr(image.header, "keys", list)() and image.header["descrip"] == _MARK
