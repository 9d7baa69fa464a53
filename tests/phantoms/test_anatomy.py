import numpy as np

from mrisynth.phantoms.anatomy import draw_anatomy, noise_stream, random_streams
from mrisynth.phantoms.contrast import CONTRASTS

SUBJECTS = range(1, 33)


def test_parameters_follow_from_seed_and_subject():
    assert draw_anatomy(5, seed=3) == draw_anatomy(5, seed=3)
    assert len({draw_anatomy(s).folding_wavelength for s in SUBJECTS}) == len(SUBJECTS)
    assert draw_anatomy(5, seed=3) != draw_anatomy(5, seed=4)


def test_streams_are_independent():
    streams = [stream for s in (1, 2) for stream in random_streams(s, seed=3)]
    streams += [noise_stream(s, 3, contrast) for s in (1, 2) for contrast in CONTRASTS]
    assert len({stream.random() for stream in streams}) == 6 + 2 * len(CONTRASTS)


def test_ventricles_grow_with_age():
    anatomies = [draw_anatomy(s, seed) for s in SUBJECTS for seed in range(5)]
    ages, scales = zip(*((a.age, a.ventricle_scale) for a in anatomies), strict=True)
    assert np.corrcoef(ages, scales)[0, 1] > 0.5


def test_some_subjects_are_healthy_and_some_have_a_tumor():
    lesions = [draw_anatomy(s).lesions for s in SUBJECTS]
    assert 4 <= lesions.count(()) <= 24
    assert any(len(found) == 1 and max(found[0].radii) > 12 for found in lesions)
    assert any(len(found) > 2 for found in lesions)
