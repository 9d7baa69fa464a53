import numpy as np
import pytest

from mrisynth.benchmarks import copies
from mrisynth.privacy import embedding
from tests.programs import call, check_refusal

PROGRAM = "tools/benchmark.py"


@pytest.fixture
def image():
    rows, columns = np.mgrid[:32, :32]
    shown = 200 * np.exp(-((rows - 12) ** 2 + (columns - 18) ** 2) / 40)
    return np.stack([shown, shown[::-1]], axis=-1)


@pytest.mark.parametrize("name", copies.CHANGES)
def test_changes_keep_what_is_shown(image, name):
    changed = copies.CHANGES[name](image, np.random.RandomState(0))
    assert changed.shape == image.shape
    assert 0 < np.abs(changed - image).mean() < 40


def test_turned_and_enlarged_are_around_the_center(image):
    random = np.random.RandomState(0)
    np.testing.assert_allclose(copies._turned()(image, random), image, atol=1e-9)
    inside = np.s_[1:-1, 1:-1]
    half = copies._turned(180)(image, random)
    np.testing.assert_allclose(half[inside], image[::-1, ::-1][inside], atol=1e-9)
    doubled = copies._turned(enlarged=2)(image, random)
    # What was 3.5 pixels above the center is 7 above it, and 2.5 to the right is 5.
    assert np.unravel_index(doubled[..., 0].argmax(), (32, 32)) in [(8, 20), (8, 21), (9, 20), (9, 21)]


def test_what_is_found_is_counted_by_every_measure(small_dataset, monkeypatch):
    monkeypatch.setattr(embedding, "STEPS", 2)
    found = copies.measure(small_dataset, 16, 10)
    assert [each.change for each in found] == [*copies.CHANGES, copies.PASTED]
    for each in found:
        assert list(each.copies) == ["gray_values", "features", "embedding", "patches", "any"]
        assert each.copies["any"] >= max(each.copies.values())
        assert 0 <= each.new <= each.new_count
    rows = copies.table(found).splitlines()
    assert (
        rows[0]
        == "| change | by gray values | by features | by embedding | by patches | by any | new slices |"
    )
    taken, count = found[0].controls
    assert rows[-1] == f"Of {count} slices of new subjects as they are, {taken} count as copies."
    assert len(rows) == 4 + len(found)


def test_copies_need_a_data_set():
    check_refusal(call(PROGRAM, "--copies=120"), "--copies=120 must be a number of slices, as in 120, of the")
