import pytest

from mrisynth.privacy.verdict import COPIES_FOUND
from mrisynth.report import write_report
from tests.report.browser import find_chromium, problems
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
