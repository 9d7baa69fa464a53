import math

import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial.transform import Rotation

from mrisynth.phantoms.anatomy import draw_anatomy
from mrisynth.phantoms.contrast import FLAIR, paint
from mrisynth.phantoms.scanner import draw_scanner
from mrisynth.phantoms.tissues import Layer
from tests.phantoms.sampling import sample

SIGNALS = {"white_matter": 0.4, "cerebrospinal_fluid": 0.1, "lesion": 0.8}


def to_world(template, subject):
    """World position in mm of a template position; the smooth warp moves it by a few mm more."""
    anatomy = draw_anatomy(subject)
    rotation = Rotation.from_euler("xyz", anatomy.tilt, degrees=True).as_matrix()
    return rotation @ (np.array(template) * anatomy.head_scale) + anatomy.position


def ball(center, radius):
    """Points at every mm within `radius` mm of `center`."""
    steps = np.arange(-radius, radius + 1)
    offsets = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(-1, 3)
    return np.asarray(center) + offsets[np.linalg.norm(offsets, axis=1) <= radius]


def everywhere(fraction):
    return np.full((1, 1, 2), fraction, np.float32)


def test_a_voxel_has_the_mean_signal_of_its_tissues():
    layers = [Layer("white_matter", everywhere(1.0)), Layer("cerebrospinal_fluid", everywhere(0.25))]
    np.testing.assert_allclose(paint(layers, SIGNALS, (1, 1, 2)), 0.75 * 0.4 + 0.25 * 0.1, rtol=1e-6)


def test_texture_scales_the_signal():
    layers = [Layer("white_matter", everywhere(1.0), np.array([[[0.5, 2.0]]], np.float32))]
    np.testing.assert_allclose(paint(layers, SIGNALS, (1, 1, 2)).ravel(), [0.2, 0.8], rtol=1e-6)


def test_lesions_leave_fluid_as_it_is():
    fluid = Layer("cerebrospinal_fluid", np.array([[[1.0, 0.0]]], np.float32))
    layers = [Layer("white_matter", everywhere(1.0)), fluid, Layer("lesion", everywhere(1.0), 1.0, True)]
    np.testing.assert_allclose(paint(layers, SIGNALS, (1, 1, 2)).ravel(), [0.1, 0.8], rtol=1e-6)


def test_flair_shows_lesions_bright_and_fluid_dark():
    brain = ("cerebrospinal_fluid", "white_matter", "deep_gray_matter", "gray_matter", "lesion")
    assert sorted(brain, key=FLAIR.get) == list(brain)
    assert max(FLAIR.values()) == pytest.approx(FLAIR["fat"])


def test_ventricles_are_darker_than_white_matter(healthy):
    number, subject = healthy
    for side in (-1, 1):
        ventricle = sample(subject.image, ball(to_world((side * 22, -40, 11), number), 3))
        white_matter = sample(subject.image, ball(to_world((side * 26, -5, 32), number), 6))
        assert ventricle.mean() < 0.5 * np.median(white_matter)


def test_skull_is_darker_than_scalp_and_brain(healthy):
    number, subject = healthy
    directions = [(math.cos(a), math.sin(a), 0) for a in np.linspace(0, 2 * math.pi, 24, endpoint=False)]
    distances = np.arange(120, 20, -0.5)
    found = 0
    for direction in directions:
        template = np.array((0, -15, 35)) + distances[:, None] * direction
        profile = sample(subject.image, np.array([to_world(point, number) for point in template]))
        surface = np.argmax(profile > 0.25 * draw_scanner(number).peak)
        scalp = profile[surface : surface + 16].max()
        skull = profile[surface + 4 : surface + 50].min()
        brain = np.median(profile[surface + 50 : surface + 80])
        found += skull < 0.4 * scalp and skull < 0.5 * brain
    assert found >= 22


def test_lesions_are_brighter_than_white_matter(diseased):
    number, subject = diseased
    values = np.asarray(subject.image.dataobj)
    mask = np.asarray(subject.lesion_mask.dataobj) == 1
    assert subject.lesions == len(draw_anatomy(number).lesions) > 0
    assert mask.sum() > 50
    rim = ndimage.binary_dilation(mask, iterations=7) & ~ndimage.binary_dilation(mask, iterations=3)
    assert np.median(values[mask]) > 1.4 * np.median(values[rim])
