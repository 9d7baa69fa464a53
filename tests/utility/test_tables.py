import dataclasses

import pytest

from mrisynth.utility import tables
from mrisynth.utility.experiment import REAL
from tests.report.example_evaluations import make_utility

FOUND = make_utility()


def test_every_row_has_its_score_and_what_part_of_real_that_is():
    utility = dataclasses.asdict(FOUND)
    assert tables.head(utility) == ("trained on", "images", "Dice, lesion mask", "of what real images reach")
    assert list(tables.rows(utility)) == [
        ("real", "2,093", "0.655 (0.530 to 0.770)", "100 % (100 to 100)"),
        ("generated, as many", "2,093", "0.524 (0.400 to 0.620)", "80.0 % (70.0 to 90.0)"),
        ("the same answer to every image", "", "0.100 (0.0800 to 0.120)", "15.0 % (12.0 to 20.0)"),
    ]


def test_what_is_not_a_number_is_said():
    utility = dataclasses.asdict(FOUND)
    utility["rows"][REAL]["of_real"] = {"value": None, "low": None, "high": None}
    assert next(tables.rows(utility))[2:] == ("0.655 (0.530 to 0.770)", "not a number")


def test_where_real_images_teach_nothing_there_is_no_part_of_it():
    utility = dataclasses.asdict(FOUND)
    utility["rows"][REAL]["of_real"] = None
    assert next(tables.rows(utility))[3] == "real images taught nothing in so many steps"


@pytest.mark.parametrize(("task", "network"), [("segmentation", "U-Net"), ("classification", "classifier")])
def test_the_method_says_what_was_trained_on_how_long_and_who_counts(task, network):
    text = tables.method(dataclasses.asdict(FOUND) | {"task": task})
    for part in (
        f"small {network} for images of 64x64",
        "3 times",
        "2,000 steps of 16",
        "17 held-out subjects",
    ):
        assert part in text
