"""saved_models/head_phantom, the model that comes with mrisynth: whether what is said of it is true."""

import hashlib
import json
import pathlib
import re
import textwrap

import numpy as np
import pytest
from PIL import Image

from mrisynth.checksums import short
from mrisynth.export_folder import ExportFolder
from mrisynth.image_io import make_grid
from mrisynth.sampling.generators import open_export
from tests.phantoms import conditional_models, truths

ROOT = pathlib.Path(__file__).parents[1]
MODEL = ROOT / "saved_models" / "head_phantom"

pytestmark = pytest.mark.both_stacks


def test_it_is_small_and_names_no_folder_of_the_machine_that_it_was_trained_on():
    files = [path for path in MODEL.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 25e6
    for path in files:
        content = path.read_bytes()
        assert b"/root/" not in content
        assert b"/work/" not in content
        assert b"sub-phantom" not in content


def test_it_was_trained_on_phantoms_and_evaluated():
    card = ExportFolder(MODEL / "1").read_card()
    assert card["data"]["kind"] == "phantoms"
    assert card["model"]["resolution"] >= 64
    results = json.loads((MODEL / "results.json").read_text())
    assert card["evaluation"]["measures"] == results["measures"]
    assert card["evaluation"]["privacy"]["verdict"] == results["privacy"]["verdict"]
    assert not results["short"]
    assert results["generator"]["checksum"] == card["model"]["checksum"]
    assert results["data"]["fingerprint"] == card["data"]["fingerprint"]
    assert results["data"]["kind"] == "phantoms"
    report = (MODEL / "report.html").read_bytes()
    checksum = hashlib.sha256(report).hexdigest()
    assert checksum == results["report"]["checksum"] == card["evaluation"]["report"]["checksum"]
    assert all(short(of["checksum"]).encode() in report for of in (card["model"], results["generator"]))
    assert short(card["data"]["fingerprint"]).encode() in report


def test_the_readme_draws_from_it_by_tensorflow_alone(monkeypatch):
    monkeypatch.chdir(ROOT)
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    drawn = {}
    exec(textwrap.dedent(re.search(r"^    import tensorflow as tf\n(?:    .*\n)+", readme, re.M)[0]), drawn)
    assert drawn["images"].shape == (16, 64, 64, 2)
    assert np.isfinite(drawn["images"]).all()


def test_its_picture_shows_the_first_seeds():
    ours = make_grid(open_export(MODEL).draw(0, 16), columns=8)
    picture = np.asarray(Image.open(ROOT / "docs" / "head_phantom.png"))
    assert np.abs(picture[: len(ours)].astype(int) - ours).max() <= 2


@pytest.mark.slow
def test_its_images_show_what_they_were_asked_for():
    """In their pixels, by what is known of phantoms; docs/results.md has the same of more images."""
    sampler = open_export(MODEL)
    brain = conditional_models.between(truths.BRAIN)
    drawn = {
        name: conditional_models.draw(sampler, 192, suffix=name, position_mm=brain)
        for name in conditional_models.CONTRASTS
    }
    shares = conditional_models.contrast_shares({name: images for name, (images, _) in drawn.items()})
    assert min(shares.values()) >= 0.98
    images, values = drawn["FLAIR"]
    fractions = np.array(values["lesion_fraction"], float)
    known = np.isfinite(fractions)
    figures = conditional_models.lesion_figures(images[known], fractions[known])
    assert figures["mask and fraction"] >= 0.9
    # Of held-out phantoms it is 0.82.
    assert figures["Dice of mask and bright area"] >= 0.8 * 0.82
    _, by_means, _ = conditional_models.age_figures(sampler, "T1w")
    assert by_means >= 0.8
