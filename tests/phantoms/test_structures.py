import numpy as np
import pytest

from mrisynth.phantoms import structures
from mrisynth.phantoms.anatomy import draw_anatomy, random_streams


def points(*positions):
    return np.array(positions, np.float32).T.reshape(3, -1, 1, 1)


def test_distance_to_a_sphere_is_exact_at_its_surface_and_negative_inside():
    sphere = structures._ellipsoid(
        points((10, 0, 0), (0, 10, 0), (12, 0, 0), (8, 0, 0)), (0, 0, 0), (10,) * 3
    )
    np.testing.assert_allclose(sphere.ravel(), [0, 0, 2, -2], atol=0.5)
    assert sphere.ravel()[:2] == pytest.approx([0, 0], abs=1e-5)


def test_tube_is_thick_as_its_nodes_say():
    tube = structures._tube(
        points((0, 3, 0), (10, 3, 0), (5, 3, 0), (0, -3, 4)), ((0, 0, 0, 1), (10, 0, 0, 2))
    )
    np.testing.assert_allclose(tube.ravel(), [2, 1, 1.5, 4], atol=1e-5)


def test_union_is_rounded_only_at_the_seam():
    near, far = structures._smooth_union(np.array([1.0, 1.0]), np.array([1.0, 9.0]), 4.0)
    assert (near, far) == (0.0, 1.0)  # Where both are equal, a quarter of the width is added.


def test_noise_is_normal_and_of_its_wavelength():
    line = np.zeros((3, 600, 1, 1), np.float32)
    line[0, :, 0, 0] = np.arange(600) / 2
    lines = [structures._smooth_noise(line, 20, 0.2, np.random.default_rng(s))[:, 0, 0] for s in range(4)]
    assert np.std(lines) == pytest.approx(1, abs=0.3)
    crossings = np.mean([np.sum(np.diff(np.sign(values)) != 0) for values in lines])
    # Noise whose waves run in all directions of space crosses zero 2 / (wavelength * sqrt(3)) times a mm.
    assert crossings / 300 == pytest.approx(2 / (20 * 3**0.5), rel=0.25)


def test_structures_lie_within_one_another():
    steps = np.arange(-80, 84, 6.0, dtype=np.float32)
    world = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"))
    for subject in (1, 2):
        fields = structures.evaluate_fields(world, draw_anatomy(subject), random_streams(subject, 0).shapes)
        assert {field.dtype for field in fields.values()} == {np.dtype(np.float32)}
        assert all(np.isfinite(field).all() for field in fields.values())
        inside = {name: fields[name] < 0 for name in ("head", "skull", "cavity", "cerebrum", "ventricles")}
        assert all(mask.sum() > 20 for mask in inside.values())
        for outer, inner in (("head", "skull"), ("skull", "cavity"), ("cavity", "cerebrum")):
            assert not (inside[inner] & ~inside[outer]).any()
