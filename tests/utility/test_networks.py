import numpy as np
import pytest

from mrisynth.utility.networks import classifier, u_net

pytestmark = pytest.mark.both_stacks


def test_a_u_net_sees_every_pixel_in_its_surroundings():
    """A pixel of the output follows from pixels up to 22 away, in all channels."""
    network = u_net(64, 2)
    images = np.random.RandomState(0).normal(size=(1, 64, 64, 2)).astype(np.float32)
    before = network(images).numpy()
    assert before.shape == (1, 64, 64, 1)
    assert before.dtype == np.float32
    for channel in range(2):
        changed = images.copy()
        changed[0, 32, 32, channel] += 5
        moved = np.argwhere(network(changed).numpy()[0, ..., 0] != before[0, ..., 0])
        assert 8 <= np.abs(moved - 32).max() <= 24


def test_a_classifier_gives_a_logit_for_every_category():
    images = np.random.RandomState(0).normal(size=(3, 16, 16, 1)).astype(np.float32)
    for dtype in ("float32", "mixed_bfloat16"):
        logits = classifier(16, 1, 5, dtype)(images).numpy()
        assert logits.shape == (3, 5)
        assert logits.dtype == np.float32


def test_both_are_small():
    assert u_net(64, 1).count_params() < 150_000
    assert classifier(64, 1, 4).count_params() < 150_000
