import numpy as np
import pytest

from mrisynth.sampling.latents import draw_latents, interpolate


def test_latents_are_the_same_everywhere():
    """The first numbers of NumPy's RandomState(0), which NumPy promises never to change."""
    np.testing.assert_allclose(draw_latents(1, 3, 0), [[1.7640524, 0.4001572, 0.978738]], rtol=1e-6)


def test_latents_are_standard_normal():
    latents = draw_latents(1000, 64, 1)
    assert latents.mean() == pytest.approx(0, abs=0.01)
    assert latents.std() == pytest.approx(1, abs=0.01)


def test_the_way_turns_at_an_even_pace_on_the_circle():
    way = interpolate(np.array([2.0, 0], np.float32), np.array([0, 2.0], np.float32), 4)
    degrees = np.degrees(np.arctan2(way[:, 1], way[:, 0]))
    np.testing.assert_allclose(degrees, [0, 30, 60, 90], atol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(way, axis=1), 2, rtol=1e-6)


def test_lengths_go_from_the_firsts_to_the_lasts():
    way = interpolate(np.array([1.0, 0], np.float32), np.array([0, 3.0], np.float32), 3)
    np.testing.assert_allclose(np.linalg.norm(way, axis=1), [1, 2, 3], rtol=1e-6)


def test_parallel_latents_are_no_trouble():
    latent = np.array([1.0, 2], np.float32)
    np.testing.assert_allclose(
        interpolate(latent, 2 * latent, 3), [latent, 1.5 * latent, 2 * latent], rtol=1e-5
    )
