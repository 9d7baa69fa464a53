"""The same latents while a label moves."""

import dataclasses

import numpy as np
import pytest
from PIL import Image, ImageSequence

from mrisynth.errors import UserError
from mrisynth.image_io import make_grid, to_gray
from mrisynth.sampling.conditions import Condition
from mrisynth.sampling.config import SweepConfig
from mrisynth.sampling.generators import open_export
from mrisynth.sampling.sweep import sweep_images, write_sweep


@pytest.fixture
def asked(conditional, tmp_path):
    def asked(name, sweep, *conditions):
        read = tuple(Condition.read(text) for text in conditions)
        return SweepConfig(conditional, tmp_path / name, Condition.read(sweep), 7, 3, conditions=read)

    return asked


@pytest.fixture(scope="module")
def opened(conditional):
    return open_export(conditional)


def test_a_row_is_a_seed_and_a_column_a_value(opened):
    table = opened.labels.values(7, 3)
    images = sweep_images(opened, 7, table, "suffix", ["T2w", "FLAIR"])
    assert images.shape == (3, 2, 16, 16, 1)
    for column, value in enumerate(("T2w", "FLAIR")):
        moved = opened.label_schema.encode({**table, "suffix": [value] * 3}, 3)
        np.testing.assert_allclose(images[:, column], opened.draw(7, 3, labels=moved), atol=1e-5)
    assert np.abs(images[:, 0] - images[:, 1]).max() > 0.01


def test_where_the_label_is_the_seeds_own_it_is_the_seeds_image(opened):
    table = opened.labels.values(7, 3)
    images = sweep_images(opened, 7, table, "position_mm", [table["position_mm"][1]])
    np.testing.assert_allclose(images[1, 0], opened.draw(8, 1)[0], atol=1e-5)


def test_a_picture_shows_all_at_once(asked, opened, tmp_path):
    said = write_sweep(asked("sweep.png", "position_mm=-40:40:20", "sex=F", "suffix=T1w"))
    assert said.startswith(f"{tmp_path / 'sweep.png'}: position_mm at -40, -20, 0, 20, 40 for 3 seeds\n")
    assert "not evaluated for copying" in said
    table = {"suffix": ["T1w"] * 3, "participant/sex": ["F"] * 3, "position_mm": [None] * 3}
    images = sweep_images(opened, 7, table, "position_mm", [-40, -20, 0, 20, 40])
    shown = Image.open(tmp_path / "sweep.png")
    np.testing.assert_array_equal(np.asarray(shown), make_grid(images.reshape(15, 16, 16, 1), columns=5))
    assert "not evaluated for copying" in shown.text["Description"]


def test_a_film_moves_all_seeds_at_a_time(asked, opened, tmp_path):
    write_sweep(asked("sweep.gif", "suffix=FLAIR,T1w,T2w"))
    film = Image.open(tmp_path / "sweep.gif")
    assert film.size == (3 * 256, 256)
    frames = [np.asarray(frame.convert("L"))[::16, ::16] for frame in ImageSequence.Iterator(film)]
    images = sweep_images(opened, 7, opened.labels.values(7, 3), "suffix", ["FLAIR", "T1w", "T2w"])
    np.testing.assert_array_equal(
        frames, [np.hstack(to_gray(images[:, value, ..., 0])) for value in range(3)]
    )


def test_in_a_film_every_mask_is_beside_its_own_image(asked, opened, several_channels, tmp_path):
    config = dataclasses.replace(asked("sweep.gif", "suffix=FLAIR,T1w"), saved_model=several_channels)
    write_sweep(config)
    film = Image.open(tmp_path / "sweep.gif")
    frames = [np.asarray(frame.convert("L"))[::32, ::32] for frame in ImageSequence.Iterator(film)]
    model = open_export(several_channels)
    images = to_gray(sweep_images(model, 7, model.labels.values(7, 3), "suffix", ["FLAIR", "T1w"]))
    for value, frame in enumerate(frames):
        beside = [images[seed, value, ..., channel] for seed in range(3) for channel in range(2)]
        np.testing.assert_array_equal(frame, np.hstack(beside))


def test_what_cannot_be_swept_is_one_sentence(asked, model, tmp_path):
    with pytest.raises(UserError, match="--sweep: suffix is FLAIR, T1w, T2w, never PD"):
        write_sweep(asked("sweep.png", "suffix=PD"))
    with pytest.raises(UserError, match="--sweep=suffix: the model knows no labels"):
        write_sweep(dataclasses.replace(asked("sweep.png", "suffix=PD"), saved_model=model))
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="--output=.*file"):
        write_sweep(asked("file/sweep.png", "suffix=T1w,T2w"))
