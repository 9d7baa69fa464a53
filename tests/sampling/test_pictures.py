import numpy as np
import pytest
from PIL import Image

from mrisynth.errors import UserError
from mrisynth.sampling.pictures import write_picture

ROWS = np.linspace(-1, 1, 2 * 3 * 4 * 4, dtype=np.float32).reshape(2, 3, 4, 4, 1)


def test_a_grid_has_its_rows_and_a_film_its_frames(tmp_path):
    frames = ROWS[0]
    for name in ("all.PNG", "all.gif"):
        write_picture(tmp_path / name, "--output", ROWS, frames, 50, "synthetic")
    grid, film = Image.open(tmp_path / "all.PNG"), Image.open(tmp_path / "all.gif")
    assert grid.size[0] * 2 == grid.size[1] * 3
    assert grid.text["Description"] == "synthetic"
    assert (film.n_frames, film.size, film.info["duration"]) == (3, (256, 256), 50)
    assert film.info["comment"] == b"synthetic"


def test_what_cannot_be_written_is_named_by_its_flag(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="--output=.*file"):
        write_picture(tmp_path / "file" / "all.png", "--output", ROWS, ROWS[0], 50, "")
