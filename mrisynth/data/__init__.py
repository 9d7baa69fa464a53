"""Scans in, batches of samples to train on out."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mrisynth.data.config import PreparationConfig
    from mrisynth.data.labels import LabelSchema
    from mrisynth.data.preparing.prepare import prepare_dataset
    from mrisynth.data.reading.slices import slice_to_nifti
    from mrisynth.data.reading.volumes import Volume, load_volume
    from mrisynth.data.samples import Samples
    from mrisynth.data.storing.manifest import Manifest, read_manifest
    from mrisynth.data.storing.pipeline import open_dataset, open_samples

_MODULES = {
    "LabelSchema": "labels",
    "Manifest": "storing.manifest",
    "PreparationConfig": "config",
    "Samples": "samples",
    "Volume": "reading.volumes",
    "load_volume": "reading.volumes",
    "open_dataset": "storing.pipeline",
    "open_samples": "storing.pipeline",
    "prepare_dataset": "preparing.prepare",
    "read_manifest": "storing.manifest",
    "slice_to_nifti": "reading.slices",
}

__all__ = [
    "LabelSchema",
    "Manifest",
    "PreparationConfig",
    "Samples",
    "Volume",
    "load_volume",
    "open_dataset",
    "open_samples",
    "prepare_dataset",
    "read_manifest",
    "slice_to_nifti",
]


def __getattr__(name: str) -> object:
    """Imports what is asked for when it is asked for: worker processes do without TensorFlow."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
