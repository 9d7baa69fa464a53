"""Latents: random ones, the same on every machine, and those on the way from one to another."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def draw_latents(count: int, latent_size: int, seed: int) -> NDArray[np.float32]:
    """Draws from N(0, I).

    NumPy promises that RandomState's numbers never change, so a seed means the same images everywhere.

    Args:
        count: How many.
        latent_size: Length of a latent.
        seed: 0 to 2^32 - 1.

    Returns:
        [count, latent_size].
    """
    return np.random.RandomState(seed).standard_normal((count, latent_size)).astype(np.float32)


def interpolate(first: NDArray[np.float32], last: NDArray[np.float32], steps: int) -> NDArray[np.float32]:
    """Latents on the great circle from one to another (Shoemake 1985).

    On the straight line they would be shorter than any that is drawn; their length does not matter to this
    generator, but on the circle they turn at an even pace, too.

    Args:
        first: [D].
        last: [D].
        steps: How many, both ends included; at least 2.

    Returns:
        [steps, D]; lengths go from the first's to the last's.
    """
    lengths = np.linalg.norm(first), np.linalg.norm(last)
    angle = np.arccos(np.clip(first @ last / (lengths[0] * lengths[1]), -1, 1))
    parts = np.linspace(0, 1, steps)[:, np.newaxis]
    if np.sin(angle) < np.finfo(np.float32).eps:
        return (first + parts * (last - first)).astype(np.float32)
    directions = (
        np.sin((1 - parts) * angle) * first / lengths[0] + np.sin(parts * angle) * last / lengths[1]
    ) / np.sin(angle)
    return ((lengths[0] + parts * (lengths[1] - lengths[0])) * directions).astype(np.float32)
