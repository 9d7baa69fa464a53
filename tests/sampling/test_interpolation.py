"""The way from seed to seed."""

import numpy as np
import pytest
from PIL import Image, ImageSequence

from mrisynth.errors import UserError
from mrisynth.image_io import make_grid, to_gray
from mrisynth.release.config import InterpolationConfig
from mrisynth.sampling.interpolation import legs_between_seeds, write_interpolation


@pytest.fixture
def way(model, tmp_path):
    def way(name, **settings):
        return InterpolationConfig(model, tmp_path / name, **{"seed": 20, "count": 3, "steps": 4, **settings})

    return way


def test_legs_begin_and_end_at_the_seeds_images(generator, way, draw):
    legs = legs_between_seeds(generator, way("x.png"))
    assert legs.shape == (2, 4, 16, 16)
    images = draw(20, 3)
    np.testing.assert_allclose(legs[:, 0], images[:-1], atol=1e-5)
    np.testing.assert_allclose(legs[:, -1], images[1:], atol=1e-5)
    # On the way, images are between: nearer to both ends than these are to each other.
    ends = np.linalg.norm(legs[0, 0] - legs[0, -1])
    assert np.linalg.norm(legs[0, 1] - legs[0, 0]) < ends
    assert np.linalg.norm(legs[0, 2] - legs[0, -1]) < ends


def test_a_strip_has_a_row_for_each_leg(generator, way, tmp_path):
    assert write_interpolation(way("way.png")) == 8
    legs = legs_between_seeds(generator, way("way.png"))
    expected = make_grid(legs.reshape(8, 16, 16, 1), columns=4)
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "way.png")), expected)


def test_a_film_shows_every_image_once(generator, way, tmp_path):
    assert write_interpolation(way("way.gif")) == 7
    film = Image.open(tmp_path / "way.gif")
    frames = [np.asarray(frame.convert("L"))[::16, ::16] for frame in ImageSequence.Iterator(film)]
    assert film.size == (256, 256)
    legs = to_gray(legs_between_seeds(generator, way("way.gif")))
    np.testing.assert_array_equal(frames, [*legs[0], *legs[1, 1:]])


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("way.mp4", {}, r"must end in \.gif"),
        ("way.gif", {"count": 1}, "--count=1 is no way"),
        ("way.gif", {"steps": 1}, "--steps=1 must be at least 2"),
        ("way.gif", {"seed": -1}, "--seed=-1"),
    ],
)
def test_impossible_ways_are_one_sentence(name, settings, message, way):
    with pytest.raises(UserError, match=message):
        way(name, **settings)


def test_a_folder_that_is_not_there_is_named(way):
    with pytest.raises(UserError, match="its folder must be there"):
        write_interpolation(way("nowhere/way.gif"))
