"""Generator and discriminator, with every resolution's weights in one network.

The networks are imported on first use, so that their configuration can be had without TensorFlow.
"""

from __future__ import annotations

from typing import Any

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
