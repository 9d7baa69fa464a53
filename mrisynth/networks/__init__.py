"""Generator and discriminator, with every resolution's weights in one network.

A script that imports this package has Keras know the networks, so that `keras.saving.load_model` finds them.
In a program they are imported on first use, so that flags are read without TensorFlow.
"""

from __future__ import annotations

from typing import Any

from mrisynth import keras_backend
from mrisynth.networks.config import NetworkConfig, feature_maps, level_of, resolution_of

__all__ = ["Discriminator", "Generator", "NetworkConfig", "feature_maps", "level_of", "resolution_of"]


def __getattr__(name: str) -> Any:
    if name == "Generator":
        from mrisynth.networks.generator import Generator

        return Generator
    if name == "Discriminator":
        from mrisynth.networks.discriminator import Discriminator

        return Discriminator
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")


keras_backend.require_tensorflow()
if not keras_backend.is_deferred():
    Generator, Discriminator = __getattr__("Generator"), __getattr__("Discriminator")
