"""The latents of seeds: the same for every program."""

import nibabel
import numpy as np
import pytest
import tensorflow as tf

from mrisynth.evaluation.config import EvaluationSettings
from mrisynth.evaluation.evaluator import Evaluator
from mrisynth.evaluation.reference import load_reference
from mrisynth.release.config import ReleaseConfig
from mrisynth.release.release import make_release
from mrisynth.sampling.generators import open_run
from mrisynth.sampling.latents import seeded_latents
from mrisynth.serving.client import Query, fetch

pytestmark = pytest.mark.both_stacks

FIRST_LATENT = [[-0.67417276, -0.35869256, -1.87958169]]


def test_latents_never_change():
    """Numbers of Philox, written down once."""
    np.testing.assert_allclose(seeded_latents(7, 1, 3), FIRST_LATENT, rtol=1e-5)


def test_latents_are_standard_normal():
    latents = tf.function(seeded_latents)(0, 2000, 12).numpy()
    assert latents.mean() == pytest.approx(0, abs=0.02)
    assert latents.std() == pytest.approx(1, abs=0.02)
    assert abs(np.corrcoef(latents[:-1].ravel(), latents[1:].ravel())[0, 1]) < 0.03


def test_every_latent_has_a_seed_of_its_own():
    latents = seeded_latents(2**40, 5, 12)
    for number in range(5):
        np.testing.assert_array_equal(seeded_latents(2**40 + number, 1, 12)[0], latents[number])


def test_a_graph_draws_the_same_bits():
    graph = tf.function(lambda seed, count: seeded_latents(seed, count, 12))
    drawn = graph(tf.constant(3, tf.int64), tf.constant(50))
    np.testing.assert_array_equal(drawn, seeded_latents(3, 50, 12))


def test_a_seed_is_the_same_image_everywhere(ended_run, heads, server, small_dataset, tmp_path):
    """In a release, in an evaluation of the run, over the wire by either signature."""
    signatures = tf.saved_model.load(str(heads)).signatures
    inputs = {"seed": tf.constant(0, tf.int64), "count": tf.constant(10), "truncation": tf.constant(1.0)}
    expected = signatures["generate"](**inputs)["images"].numpy()
    assert np.ptp(expected, axis=0).mean() > 0.1
    served = signatures["serving_default"](latents=seeded_latents(0, 10, 8))["images"]
    np.testing.assert_allclose(served, expected, atol=1e-6)
    for signature in ("generate", "serving_default"):
        images = fetch(Query(server.rest, "rest", "heads", signature, 10))
        np.testing.assert_allclose(images, expected, atol=1e-6)
    make_release(ReleaseConfig(heads, tmp_path / "release", 10))
    for number, image in enumerate(expected, 1):
        name = f"sub-syn{number:06d}"
        read = nibabel.load(tmp_path / "release" / name / "anat" / f"{name}_FLAIR.nii.gz")
        low, high = (float(read.header[end]) for end in ("cal_min", "cal_max"))
        intensities = read.get_fdata()[::-1, ::-1, 0].T
        np.testing.assert_allclose((intensities - low) / (high - low) * 2 - 1, image[..., 0], atol=1e-4)
    sampler, _ = open_run(ended_run)
    np.testing.assert_allclose(sampler.draw(0, 10), expected, atol=1e-6)
    settings = EvaluationSettings(images=20, pairs=20, repeats=2, draws=20, changed_copies=False)
    evaluation = Evaluator(load_reference(small_dataset, 16), settings).evaluate(sampler)
    gray = np.rint(127.5 * expected + 127.5)
    assert np.abs(evaluation.samples[:10].reshape(gray.shape).astype(int) - gray).max() <= 1
    ends = evaluation.interpolation[:, 0].reshape(-1, *gray.shape[1:])
    assert np.abs(ends.astype(int) - gray[: len(ends)]).max() <= 1
