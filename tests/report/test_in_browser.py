import dataclasses

import pytest

from mrisynth.privacy.verdict import COPIES_FOUND, INCONCLUSIVE
from mrisynth.report import write_report
from tests.report.browser import find_chromium, misfits, opened, problems
from tests.report.example_evaluations import make_evaluation

CHROMIUM = find_chromium()
PIXEL = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="needs chromium, chromium-browser or google-chrome in PATH"),
]


@pytest.mark.parametrize("show_real", [True, False])
def test_the_report_opens_without_a_fault_and_without_a_network(show_real, tmp_path):
    path = tmp_path / "report.html"
    write_report(make_evaluation(COPIES_FOUND, samples=9, pairs=4), path, show_real)
    assert problems(CHROMIUM, path, tmp_path / "profile") == []


@pytest.mark.parametrize(("words", "show_real"), [(COPIES_FOUND, True), (INCONCLUSIVE, False)])
def test_the_report_fits_every_window_and_is_written_large_enough(words, show_real, tmp_path):
    path = tmp_path / "report.html"
    evaluation = make_evaluation(words, samples=9, pairs=4, short=True)
    exported = {"name": "head_and_neck_of_the_whole_hospital", "version": 1, "exported": "2026-02-14"}
    checksums = {"checksum": "0123456789abcdef" * 4, "weights_checksum": "fedcba9876543210" * 4}
    facts = {**exported, **checksums, **evaluation.generator}
    write_report(dataclasses.replace(evaluation, generator=facts), path, show_real)
    with opened(CHROMIUM, path, tmp_path / "profile") as page:
        assert misfits(*page, (320, 420, 760, 1400)) == []


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ("<p>fits</p><div style='overflow-x: auto'><p style='width: 900px'>in a box</p></div>", None),
        ("<p style='width: 900px'>too wide</p>", "the page is"),
        ("<p style='width: 900px'>too wide</p>", 'sticks out: p. "too wide"'),
        ("<p style='font-size: 11px'>too small</p>", "small type, 11px: p."),
    ],
)
def test_what_does_not_fit_is_found(body, complaint, tmp_path):
    path = tmp_path / "page.html"
    head = "<!DOCTYPE html><meta name='viewport' content='width=device-width'><link rel='icon' href='data:,'>"
    path.write_text(f"{head}<body>{body}")
    with opened(CHROMIUM, path, tmp_path / "profile") as page:
        found = misfits(*page, (420,))
    assert (complaint is None and not found) or any(complaint in misfit for misfit in found)


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        (f'<img src="{PIXEL}">', None),
        ('<img alt="torn" src="data:image/png;base64,iVBORw0KGgo=">', "broken image"),
        ('<img alt="gone" src="gone.png">', "broken image"),
        ("<script>null.length</script>", "script error"),
        ("<script>console.error('no')</script>", "console error"),
        ('<img src="http://192.0.2.1/a.png">', "loads http://192.0.2.1/a.png"),
    ],
)
def test_what_is_wrong_with_a_page_is_found(body, complaint, tmp_path):
    path = tmp_path / "page.html"
    path.write_text(f'<!DOCTYPE html><link rel="icon" href="data:,">{body}')
    found = problems(CHROMIUM, path, tmp_path / "profile")
    assert (complaint is None and not found) or any(complaint in fault for fault in found)
