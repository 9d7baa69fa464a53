"""The way from seed to seed."""

import dataclasses
import re
import shutil

import numpy as np
import pytest
from PIL import Image, ImageSequence

from mrisynth.errors import UserError
from mrisynth.image_io import make_grid, to_gray
from mrisynth.sampling.config import InterpolationConfig
from mrisynth.sampling.generators import open_export
from mrisynth.sampling.interpolation import great_circle, legs_between_seeds, write_interpolation
from tests.untrained_exports import CARD, evaluation, write_card


@pytest.fixture
def way(model, tmp_path):
    def way(name, **settings):
        return InterpolationConfig(model, tmp_path / name, **{"seed": 20, "count": 3, "steps": 4, **settings})

    return way


def test_legs_begin_and_end_at_the_seeds_images(sampler, draw):
    legs = legs_between_seeds(sampler, 20, 3, 4)
    assert legs.shape == (2, 4, 16, 16, 1)
    images = draw(20, 3)[..., np.newaxis]
    np.testing.assert_allclose(legs[:, 0], images[:-1], atol=1e-5)
    np.testing.assert_allclose(legs[:, -1], images[1:], atol=1e-5)
    # On the way, images are between: nearer to both ends than these are to each other.
    ends = np.linalg.norm(legs[0, 0] - legs[0, -1])
    assert np.linalg.norm(legs[0, 1] - legs[0, 0]) < ends
    assert np.linalg.norm(legs[0, 2] - legs[0, -1]) < ends


def test_a_strip_has_a_row_for_each_leg(sampler, way, tmp_path):
    said = write_interpolation(way("way.png"))
    assert re.match(r".*way.png: 8 images\nThe model was not evaluated for copying", said)
    legs = legs_between_seeds(sampler, 20, 3, 4)
    expected = make_grid(legs.reshape(8, 16, 16, 1), columns=4)
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "way.png")), expected)


def test_a_film_shows_every_image_once(sampler, way, tmp_path):
    assert ": 7 images\n" in write_interpolation(way("way.gif"))
    film = Image.open(tmp_path / "way.gif")
    frames = [np.asarray(frame.convert("L"))[::16, ::16] for frame in ImageSequence.Iterator(film)]
    assert film.size == (256, 256)
    legs = to_gray(legs_between_seeds(sampler, 20, 3, 4))[..., 0]
    np.testing.assert_array_equal(frames, [*legs[0], *legs[1, 1:]])


def test_pictures_say_where_they_come_from_and_a_model_that_copies_needs_a_flag(way, model, tmp_path):
    copied = shutil.copytree(model, tmp_path / "copier")
    write_card(copied / "1", {**CARD, "evaluation": evaluation("copies found", "c" * 64)})
    for name in ("way.png", "way.gif"):
        asked = dataclasses.replace(way(name), saved_model=copied)
        with pytest.raises(UserError, match="--release_despite_copies"):
            write_interpolation(asked)
        assert not asked.picture.exists()
        said = write_interpolation(dataclasses.replace(asked, release_despite_copies=True))
        assert '"copies found"' in said
    assert '"copies found"' in Image.open(tmp_path / "way.png").text["Description"]
    assert b'"copies found"' in Image.open(tmp_path / "way.gif").info["comment"]


def test_a_folder_that_is_not_there_is_made(way, tmp_path):
    write_interpolation(way("new/way.gif"))
    assert (tmp_path / "new" / "way.gif").is_file()


def test_the_way_turns_at_an_even_pace_on_the_circle():
    way = great_circle(np.array([2.0, 0], np.float32), np.array([0, 2.0], np.float32), 4)
    degrees = np.degrees(np.arctan2(way[:, 1], way[:, 0]))
    np.testing.assert_allclose(degrees, [0, 30, 60, 90], atol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(way, axis=1), 2, rtol=1e-6)


def test_lengths_go_from_the_firsts_to_the_lasts():
    way = great_circle(np.array([1.0, 0], np.float32), np.array([0, 3.0], np.float32), 3)
    np.testing.assert_allclose(np.linalg.norm(way, axis=1), [1, 2, 3], rtol=1e-6)


def test_parallel_latents_are_no_trouble():
    latent = np.array([1.0, 2], np.float32)
    np.testing.assert_allclose(
        great_circle(latent, 2 * latent, 3), [latent, 1.5 * latent, 2 * latent], rtol=1e-5
    )


def test_legs_of_a_model_with_labels_end_at_the_seeds_images_too(conditional):
    opened = open_export(conditional)
    legs = legs_between_seeds(opened, 20, 3, 4)
    images = opened.draw(20, 3)
    np.testing.assert_allclose(legs[:, 0], images[:-1], atol=1e-5)
    np.testing.assert_allclose(legs[:, -1], images[1:], atol=1e-5)


def test_on_the_way_channels_are_side_by_side(way, several_channels, tmp_path):
    write_interpolation(dataclasses.replace(way("way.gif"), saved_model=several_channels))
    film = Image.open(tmp_path / "way.gif")
    legs = to_gray(legs_between_seeds(open_export(several_channels), 20, 3, 4))
    frames = [np.asarray(frame.convert("L"))[::32, ::32] for frame in ImageSequence.Iterator(film)]
    assert len(frames) == 7
    for frame, image in zip(frames[:4], legs[0], strict=True):
        np.testing.assert_array_equal(frame, np.hstack([image[..., 0], image[..., 1]]))
