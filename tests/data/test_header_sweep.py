"""No odd value in any field of a NIfTI header gives other slices without a word."""

import pathlib

import pytest

from tests.data.header_sweep import OUTCOMES, sweep, table

PAGE = pathlib.Path(__file__).parents[2] / "docs" / "data.md"


@pytest.mark.slow
def test_every_odd_header_is_read_right_or_named_and_the_page_says_how_many(tmp_path):
    counts = sweep(tmp_path)
    assert not {field: found[OUTCOMES[-1]] for field, found in counts.items() if found[OUTCOMES[-1]]}
    assert sum(found.total() for found in counts.values()) >= 300
    # python -m tests.data.header_sweep prints the table anew.
    assert table(counts) in PAGE.read_text(encoding="utf-8")
