"""Features made up for tests of measures of sets of features."""

import numpy as np


def draw(count, dimensions, seed, dtype=np.float32):
    """Correlated features around a mean far from 0."""
    mixing = np.random.RandomState(0).normal(size=(dimensions, dimensions))
    return (np.random.RandomState(seed).normal(size=(count, dimensions)) @ mixing + 3).astype(dtype)
