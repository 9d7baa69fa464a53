"""Formats are found by themselves."""

import pathlib
import sys

import numpy as np

from mrisynth.release import formats
from mrisynth.release.formats.base import ReleaseFormat

NEW_FORMAT = """
import numpy as np
from mrisynth.release.formats.base import ReleaseFormat

class Text(ReleaseFormat):
    name = "text"
    summary = "a number a line"
    layout = "`*.txt`"
    storage = "text: gray values from -1 to 1"

    def written(self):
        return [int(path.stem) for path in sorted(self.folder.glob("*.txt"))]

    def write(self, number, seed, image, channels, sidecars):
        np.savetxt(self.folder / f"{seed}.txt", image[..., 0])
"""


def test_a_new_module_is_all_that_a_new_format_takes(release, draw, tmp_path, monkeypatch):
    (tmp_path / "text.py").write_text(NEW_FORMAT)
    monkeypatch.setattr(formats, "__path__", [*formats.__path__, str(tmp_path)])
    try:
        found = formats._discover()
        monkeypatch.setitem(formats.FORMATS, "text", found["text"])
        assert "3 images, 3 of them new" in str(release(format="text", count=3))
    finally:
        sys.modules.pop("mrisynth.release.formats.text", None)
    for seed, image in enumerate(draw(0, 3)):
        np.testing.assert_allclose(np.loadtxt(tmp_path / "out" / f"{seed}.txt"), image, atol=1e-5)
    assert "text: gray values from -1 to 1" in (tmp_path / "out" / "README.md").read_text()


def test_every_module_has_its_format():
    names = {path.stem for path in pathlib.Path(formats.__file__).parent.glob("*.py")}
    assert set(formats.FORMATS) == names - {"__init__", "base"}
    assert all(issubclass(kind, ReleaseFormat) for kind in formats.FORMATS.values())
