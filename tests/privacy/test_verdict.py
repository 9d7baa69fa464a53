import dataclasses

import numpy as np
import pytest

from mrisynth.errors import UserError
from mrisynth.metrics.estimates import Interval
from mrisynth.privacy.statistics import Closeness, Copies
from mrisynth.privacy.verdict import (
    COPIES_FOUND,
    INCONCLUSIVE,
    NO_SIGN,
    Thresholds,
    auc_error,
    decide,
    subjects_needed,
)

HARMLESS = Closeness(
    generated=np.ones(1000),
    heldout=np.ones(100),
    limit=0.5,
    expected_share=0.0198,
    closer_share=Interval(0.012, 0.004, 0.03),
    authenticity=Interval(0.8, 0.7, 0.9),
    authenticity_heldout=Interval(0.8, 0.7, 0.9),
    c_t=Interval(1.0, -2.0, 3.0),
    membership_auc=Interval(0.52, 0.4, 0.64),
)


def verdict(copies=0, images=1000, training=65, heldout=18, limits=Thresholds(), **changes):  # noqa: B008
    flagged = Copies(np.arange(images)[np.newaxis] < copies, 0, 2000, 0.0015)
    return decide(flagged, {"pixels": dataclasses.replace(HARMLESS, **changes)}, training, heldout, limits)


def test_no_sign():
    found = verdict()
    assert found.words == NO_SIGN
    assert any("52 % of the time (40 % to 64 %" in reason for reason in found.reasons)


def test_more_copies_than_chance_are_copies():
    found = verdict(copies=2)
    assert found.words == COPIES_FOUND
    assert "2 of 1,000 generated images" in found.reasons[0]
    assert "of 2,000 slices of new patients none is" in found.reasons[0]


def test_one_that_may_be_chance_is_inconclusive():
    found = verdict(copies=1)
    assert found.words == INCONCLUSIVE
    assert "may be chance" in found.reasons[0]
    assert not any("None of" in reason for reason in found.reasons)


def test_too_few_images_are_told_how_many_would_do():
    found = verdict(images=100)
    assert found.words == INCONCLUSIVE
    assert "up to 3 % of all could be copies" in found.reasons[0]
    assert "300 would do" in found.reasons[0]
    assert verdict(images=300).words == NO_SIGN


def test_members_that_are_told_from_others_are_a_leak():
    assert verdict(membership_auc=Interval(0.9, 0.8, 0.95)).words == COPIES_FOUND


@pytest.mark.parametrize(
    "figure",
    [
        {"closer_share": Interval(0.3, 0.2, 0.4)},
        {"authenticity": Interval(0.3, 0.2, 0.4)},
        {"c_t": Interval(-9.0, -12.0, -5.0)},
    ],
)
def test_whatever_points_to_copying_is_a_doubt(figure):
    found = verdict(**figure)
    assert found.words == INCONCLUSIVE
    assert found.reasons[0].startswith("By pixels, ")


def test_close_images_are_a_leak_only_if_they_tell_members_apart():
    close = Interval(0.3, 0.2, 0.4)
    assert verdict(closer_share=close).words == INCONCLUSIVE
    told = Interval(0.6, 0.52, 0.68)
    assert verdict(membership_auc=told).words == NO_SIGN
    assert verdict(closer_share=close, membership_auc=told).words == COPIES_FOUND


def test_a_wide_interval_is_inconclusive():
    found = verdict(membership_auc=Interval(0.6, 0.45, 0.75))
    assert found.words == INCONCLUSIVE
    training, heldout = subjects_needed(65, 18, 0.1)
    assert f"{training} training and {heldout} held-out subjects would settle it" in found.reasons[0]


def test_too_few_subjects_are_told_how_many_would_do():
    found = verdict(training=10, heldout=3)
    assert found.words == INCONCLUSIVE
    training, heldout = subjects_needed(10, 3, 0.2)
    assert f"{training} and {heldout} would do" in found.reasons[0]
    assert verdict(training=training, heldout=heldout).words == NO_SIGN
    assert auc_error(training - 1, heldout - 1) > 0.2


@pytest.mark.parametrize("divided", [(10, 3), (65, 18), (1, 1), (3, 900)])
@pytest.mark.parametrize("error", [0.3, 0.1, 0.01])
def test_so_many_subjects_are_needed_and_no_fewer(divided, error):
    training, heldout = subjects_needed(*divided, error)
    assert auc_error(training, heldout) <= error
    fewer = 0.9 * (training + heldout)
    share = heldout / (training + heldout)
    if min(share, 1 - share) * fewer > 10:
        assert auc_error(round((1 - share) * fewer), round(share * fewer)) > error


def test_few_subjects_that_are_told_apart_are_no_leak():
    assert verdict(training=5, heldout=5, membership_auc=Interval(0.96, 0.8, 1.0)).words == INCONCLUSIVE


def test_copies_are_reported_even_of_few_subjects():
    assert verdict(copies=3, training=4, heldout=2).words == COPIES_FOUND


def test_thresholds_can_be_changed():
    assert verdict(limits=Thresholds(max_membership_auc=0.6)).words == INCONCLUSIVE
    assert verdict(limits=Thresholds(max_auc_error=0.1)).words == INCONCLUSIVE


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("copy_ratio", 0),
        ("closest_part", 1),
        ("max_membership_auc", 0.5),
        ("min_c_t", 1),
        ("max_auc_error", 0.005),
    ],
)
def test_senseless_thresholds_are_refused(name, value):
    with pytest.raises(UserError, match=f"--{name}="):
        Thresholds(**{name: value})


def test_the_error_of_the_area_is_that_of_ranks():
    """Hanley and McNeil's formula against areas of random ranks."""
    random = np.random.RandomState(0)
    areas = []
    for _ in range(4000):
        ranks = random.permutation(40)[:10]
        areas.append((ranks.sum() - 45) / 300)
    assert auc_error(30, 10) == pytest.approx(1.96 * np.std(areas), rel=0.05)
