"""The page as a file, and as a browser runs it: the same images and labels as from Python, by a policy."""

import functools
import gzip
import hashlib
import json
import pathlib
import re
import sys

import nibabel
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from mrisynth.data.labels import Label, LabelKind, LabelSchema
from mrisynth.errors import UserError
from mrisynth.export.formats import page, saved_model
from mrisynth.export.from_saved_model import export_again
from mrisynth.export_folder import ExportFolder
from mrisynth.image_io import to_gray
from mrisynth.privacy.verdict import COPIES_FOUND, NO_SIGN
from mrisynth.sampling.conditions import Condition, input_names
from mrisynth.sampling.generators import open_export
from mrisynth.sampling.interpolation import legs_between_seeds
from tests.export.page_in_browser import opened_page
from tests.label_tables import SCHEMA
from tests.report.browser import find_chromium
from tests.untrained_exports import card_of, evaluation, replaced, untrained_generator, write_card

CHROMIUM = find_chromium()
RUNTIME = "b7b247d5df501f5ea87e5ed27e1c15dadd804070a17594b1a4cc7d86e704a110"
SHIPPED = pathlib.Path(__file__).parents[3] / "saved_models" / "head_phantom"

generator_of = functools.partial(
    untrained_generator,
    label_schema=SCHEMA,
    channels=3,
    latent_size=10,
    fmap_max=20,
    bilinear_resampling=True,
    noise_inputs=True,
)

needs_browser = pytest.mark.skipif(
    CHROMIUM is None, reason="needs chromium, chromium-browser or google-chrome in PATH"
)


def written_card(generator, **sections):
    """A card of a coronal model as `json` reads it, with all that a page shows of it."""
    names = ["image", "PDw", "lesion mask"][: generator.channels]
    sizes = {"letter": "c", "parameters": 1, "attention_discriminator": [], "checksum": "d" * 64}
    card = card_of(generator, name="heads", channels=names, **sizes)
    inputs = input_names(generator.label_schema)
    for label in card["labels"]["labels"]:
        label["input"] = inputs.get(label["name"])
    split = {"subjects": 1, "slices": 1}
    data = {"fingerprint": "f" * 64, "kind": "scans", "training": split, "held_out": split}
    training = {
        "images_shown": 1,
        "iterations": 1,
        "precision": "float32",
        "schedule": {},
        "optimization": {"diversity": 4.0},
    }
    card = {
        **replaced(card, "geometry", scans_with_acquired_slices=0, slice_spacing_range_mm=[3.0, 3.0]),
        **{"date": "2026-11-26", "intended_use": [], "limits": [], "versions": {}, "training": training},
        "data": {**data, "files_used": 2, "files_left_out": 0},
        **sections,
    }
    return json.loads(json.dumps(card))


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    """A page of a small model with labels, three channels and attention; and the model, opened in Python."""
    folder = tmp_path_factory.mktemp("asked")
    generator = generator_of()
    exported = saved_model.export_generator(generator, folder / "heads")
    card = written_card(generator)
    write_card(exported, replaced(card, "model", checksum=open_export(exported).export.checksum))
    return export_again(exported, folder / "heads.html", "page"), open_export(exported)


@pytest.fixture(scope="module")
def shown(asked, tmp_path_factory):
    """That page in a browser."""
    with opened_page(CHROMIUM, asked[0], tmp_path_factory.mktemp("profile")) as shown:
        yield shown


def test_the_page_loads_nothing(asked):
    text = asked[0].read_text(encoding="utf-8")
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', text)
    assert policy.startswith("default-src &#39;none&#39;; script-src &#39;sha256-")
    assert "unsafe" not in policy
    assert not re.search(r"https?:", text)
    assert not re.search(r"innerHTML|insertAdjacent|document\.write|eval\(", text)


def test_what_hospitals_call_things_is_no_code(tmp_path):
    wicked = "</script><img src=x onerror=alert(1)>"
    schema = LabelSchema((Label("participant/<b>", LabelKind.CATEGORICAL, (wicked, "M")),))
    labels = {
        "labels": [{**schema.to_json()[0], "input": "b"}],
        "combinations": [[wicked]],
        "cells": [{"values": [wicked], "weight": 1.0, "subjects": 12}],
    }
    generator = generator_of(label_schema=schema, channels=1)
    card = written_card(generator, labels=labels)
    text = page.export_generator(generator, tmp_path / "wicked.html", card).read_text(encoding="utf-8")
    assert "<img" not in text
    assert text.count("</script>") == text.count("<script")
    (facts,) = re.findall(r'id="facts">(.*?)</script>', text)
    assert json.loads(facts)["labels"]["labels"][0]["vocabulary"] == [wicked, "M"]


@pytest.mark.parametrize(
    ("name", "settings", "sections", "message"),
    [
        ("heads", {}, {}, r"--output=.*heads must end in .html"),
        ("volumes.html", {"rank": 3, "attention_resolutions": ()}, {}, "--format=page shows slices"),
        ("copies.html", {}, {"evaluation": evaluation(COPIES_FOUND, None)}, "found copies of training scans"),
    ],
)
def test_what_makes_no_page_is_refused(name, settings, sections, message, tmp_path):
    generator = generator_of(**{"resolution": 8, **settings})
    with pytest.raises(UserError, match=message):
        page.export_generator(generator, tmp_path / name, written_card(generator, **sections))
    assert not (tmp_path / name).exists()


def test_nothing_is_overwritten(asked, tmp_path):
    before = asked[0].read_bytes()
    with pytest.raises(UserError, match=r"--output=.*heads.html exists already; name a new file"):
        page.export_generator(generator_of(), asked[0], {})
    with pytest.raises(UserError, match="--format=page needs the model card"):
        page.export_generator(generator_of(), tmp_path / "none.html")
    assert asked[0].read_bytes() == before


def close_to(images, expected):
    """Whether pixels differ by less than two gray values of 8 bits."""
    return np.abs(np.reshape(images, np.shape(expected)) - expected).max() * 127.5 < 2


@needs_browser
@pytest.mark.slow
class TestInBrowser:
    """The small model; every test leaves the page as it likes."""

    @pytest.mark.parametrize("seed", [0, 2**40 + 3])
    def test_seeds_are_the_images_and_labels_of_every_program(self, asked, shown, seed):
        shown.do(f"state.asked = {{}}; state.truncation = 1; browse({seed})")
        assert np.std(shown.image()) > 0.1
        assert close_to(shown.image(), asked[1].draw(seed, 1)[0])
        values = asked[1].labels.values(seed, 1)
        said = shown.value("labelsOf(state.seed, state.toSeed, state.part)")
        assert said == {name: pytest.approx(value[0]) for name, value in values.items()}

    def test_what_is_asked_is_what_generate_py_asks(self, asked, shown):
        shown.do("state.truncation = 0.6; ask('suffix', 'T2w'); ask('position_mm', -12.5); browse(5)")
        sampler = asked[1].asking([Condition("suffix", "T2w"), Condition("position_mm", "-12.5")])
        assert close_to(shown.image(), sampler.draw(5, 1, 0.6)[0])
        assert shown.value("!element('rare').hidden") is False
        shown.do("ask('participant/sex', 'M')")  # There are 3 such men.
        assert shown.value("!element('rare').hidden") is True
        shown.do("ask('suffix', null); ask('participant/sex', null); ask('position_mm', undefined)")
        sampler = asked[1].asking([Condition("suffix", ""), Condition("sex", "")])
        assert close_to(shown.image(), sampler.draw(5, 1, 0.6)[0])

    def test_the_way_to_another_seed_is_a_great_circle(self, asked, shown):
        shown.do("state.asked = {}; state.truncation = 1; browse(3)")
        shown.input("toSeed", 4)
        shown.input("part", 0.25)
        assert close_to(shown.image(), legs_between_seeds(asked[1], 3, 2, 5)[0, 1])

    def test_keys_go_from_seed_to_seed_but_not_within_fields(self, shown):
        shown.do("browse(30)")
        shown.press("ArrowRight", "ArrowRight", "ArrowLeft", "PageDown")
        assert shown.value("[state.seed, element('grid').children[7].getAttribute('aria-pressed')]") == [
            55,
            "true",
        ]
        shown.do("element('grid').children[7].focus()")
        columns = shown.value("getComputedStyle(element('grid')).gridTemplateColumns.split(' ').length")
        shown.press("ArrowUp")
        assert shown.value("state.seed") == 55 - columns
        assert shown.value("Number(document.activeElement.dataset.seed)") == 55 - columns
        shown.do("element('truncation').focus()")
        shown.press("ArrowLeft")
        assert shown.value("[state.seed, state.truncation]") == [55 - columns, 0.95]

    def test_dragging_changes_the_window_and_a_double_click_sets_it_back(self, shown):
        shown.drag("image", 60, -30)
        assert shown.value("[state.width, state.center]") == pytest.approx([2.4, -0.2], abs=0.02)
        shown.do("element('image').dispatchEvent(new MouseEvent('dblclick'))")
        assert shown.value("[state.width, state.center]") == [2, 0]
        assert re.search(r"\d+ mm.*: -?\d+", shown.value("element('reading').textContent"))

    def test_files_hold_the_image_and_say_where_it_comes_from(self, asked, shown, tmp_path):
        shown.do("state.asked = {}; state.truncation = 1; browse(9)")
        early = "state.truncation = 0.93, redraw(), savePng()"
        files = shown.downloads(tmp_path, "saveNifti(0)", "saveNifti(2)", "savePng()", early)
        shown.wait_for("!drawing.wishes.length")
        (truncated,) = shown.downloads(tmp_path, "savePng()")
        image = asked[1].draw(9, 1)[0]
        first, mask, picture, meanwhile = files
        assert first.name == f"0-heads_seed-9_{asked[1].labels.values(9, 1)['suffix'][0]}.nii.gz"
        release = nibabel.load(first)
        assert release.header.get_zooms()[:3] == (10.0, 3.0, 10.0)
        assert nibabel.aff2axcodes(release.affine) == ("R", "A", "S")
        shown_values = release.get_fdata()[::-1, 0, ::-1].T
        low, high = -50.0, 950.0
        expected = low + (image[..., 0] + 1) / 2 * (high - low)
        assert np.abs(shown_values - expected).max() < 2 / 255 * (high - low)
        masked = np.asarray(nibabel.load(mask).dataobj)[::-1, 0, ::-1].T
        assert (masked == (image[..., 2] > 0))[np.abs(image[..., 2]) > 0.02].all()
        statement = shown.value("facts.statements.plain")
        assert statement.encode() in gzip.decompress(first.read_bytes())
        with Image.open(picture) as opened:
            assert opened.text["Description"].startswith(f"{statement} Seed 9, contrast: ")
            assert opened.text["Description"].endswith(", truncation: 1.")
        # While another image is on its way, the one that is still seen is saved.
        assert meanwhile.read_bytes() == picture.read_bytes()
        with Image.open(truncated) as opened:
            assert opened.text["Description"].startswith(shown.value("facts.statements.asked"))
            assert opened.text["Description"].endswith(", truncation: 0.93.")

    def test_every_channel_can_be_shown_with_the_mask_over_it(self, asked, shown):
        shown.do("state.asked = {}; state.truncation = 1; browse(9)")
        image = asked[1].draw(9, 1)[0]
        shown.do("document.querySelectorAll('[name=channel]')[1].click()")
        drawn = "paintPixels(state.image, viewNow()).getContext('2d').getImageData(0, 0, 16, 16).data"
        covered = np.reshape(shown.value(f"[...{drawn}]"), (16, 16, 4))
        # Half of orange is half of 255 more red than blue.
        clear = np.abs(image[..., 2]) > 0.02
        assert ((covered[..., 0] - covered[..., 2] > 100) == (image[..., 2] > 0))[clear].all()
        shown.do("element('masks').click()")
        gray = np.reshape(shown.value(f"[...{drawn}]"), (16, 16, 4))
        assert np.abs(gray[..., :3] - to_gray(image[..., 1:2]).astype(int)).max() <= 2
        shown.do("element('masks').click(); document.querySelectorAll('[name=channel]')[0].click()")

    @pytest.mark.parametrize("change", ["state.truncation = 0.9", "ask('suffix', null)"])
    def test_what_an_evaluation_did_not_look_at_is_known(self, shown, change):
        shown.do("state.asked = {}; state.truncation = 1; browse(9)")
        assert shown.value("isAskedFor()") is False
        shown.do(change)
        assert shown.value("isAskedFor()") is True


@needs_browser
@pytest.mark.slow
def test_large_images_are_drawn_by_the_runtime_in_the_page(tmp_path):
    pytest.importorskip("onnx")
    # With a single channel pixel norm would leave nothing but signs.
    generator = generator_of(resolution=128, fmap_base=1024, attention_resolutions=(16,))
    # Random weights of so many layers are far from 0: without this, images are black and white.
    kernel = generator.image_layers[-1].kernel
    kernel.assign(0.25 * tf.convert_to_tensor(kernel))
    exported = saved_model.export_generator(generator, tmp_path / "heads")
    card = replaced(written_card(generator), "model", checksum=ExportFolder(exported).checksum)
    write_card(exported, card)
    file = page.export_generator(generator, tmp_path / "heads.html", card)
    assert "blob: &#39;wasm-unsafe-eval&#39;" in file.read_text(encoding="utf-8")
    sampler = open_export(exported)
    with opened_page(CHROMIUM, file, tmp_path / "profile") as shown:
        assert np.std(shown.image()) > 0.1
        assert close_to(shown.image(), sampler.draw(0, 1)[0])
        shown.do("state.truncation = 0.6; ask('suffix', 'T2w'); ask('position_mm', null)")
        asked = sampler.asking([Condition("suffix", "T2w"), Condition("position_mm", "")])
        assert close_to(shown.image(), asked.draw(0, 1, 0.6)[0])
        assert shown.faults() == []


def test_large_pages_need_the_onnx_package(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    generator = generator_of(resolution=128)
    with pytest.raises(UserError, match="more than 64x64 pixels needs the onnx package"):
        page.export_generator(generator, tmp_path / "large.html", written_card(generator))


def test_the_runtime_is_as_its_package_ships_it():
    folder = pathlib.Path(page.__file__).parents[1] / "page" / "onnxruntime-web"
    package = json.loads((folder / "package.json").read_text(encoding="utf-8"))
    digest = hashlib.sha256()
    for name in ("ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm"):
        digest.update((folder / name).read_bytes())
    assert (package["version"], package["license"]) == ("1.22.0", "MIT")
    assert digest.hexdigest() == RUNTIME
    assert "Copyright (c) Microsoft Corporation" in (folder / "LICENSE").read_text(encoding="utf-8")


@needs_browser
@pytest.mark.slow
def test_the_shipped_model_draws_at_once_without_a_fault(tmp_path):
    file = export_again(SHIPPED, tmp_path / "head_phantom.html", "page")
    assert file.stat().st_size < 2.7e6
    assert file.read_bytes() == (SHIPPED / "page.html").read_bytes()
    card = open_export(SHIPPED).card
    assert f"Copying of training data: {NO_SIGN}." in file.read_text(encoding="utf-8")
    assert card["evaluation"]["privacy"]["verdict"]["words"] == NO_SIGN
    expected = open_export(SHIPPED).draw(0, 24)
    with opened_page(CHROMIUM, file, tmp_path / "profile") as shown:
        # Less than 2 s on a machine of its own; tests share theirs.
        assert shown.first_image_ms < 20_000
        assert close_to(shown.image(), expected[0])
        shown.wait_for("!drawing.wishes.length")
        drawn = shown.value("[...element('grid').children].map(cell => [...cell.image])")
        assert close_to(drawn, expected)
        # The picture itself: without smoothing, its pixels are gray values of 8 bits.
        gray = shown.value(
            "[...paintPixels(state.image, viewNow()).getContext('2d').getImageData(0, 0, 64, 64).data]"
        )
        assert (
            np.abs(np.reshape(gray, (64, 64, 4))[..., 0] - to_gray(expected[0, ..., 0]).astype(int)).max()
            <= 2
        )
        assert shown.misfits((320, 420, 1400)) == []
        assert shown.faults() == []
