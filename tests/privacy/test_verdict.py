import dataclasses

import numpy as np
import pytest

from mrisynth.errors import UserError
from mrisynth.metrics.estimates import Interval
from mrisynth.privacy.sample_size import MARGIN, auc_error, subjects_needed
from mrisynth.privacy.statistics import Closeness, Copies
from mrisynth.privacy.verdict import (
    COPIES_FOUND,
    HARMFUL,
    HARMLESS,
    INCONCLUSIVE,
    MEMBERSHIP,
    NO_SIGN,
    OPEN,
    Thresholds,
    beside_other_scans,
    decide,
    limits_in_words,
)

HARMLESS_FIGURES = Closeness(
    generated=np.ones(1000),
    heldout=np.ones(100),
    limit=0.5,
    expected_share=0.0198,
    closer_share=Interval(0.012, 0.004, 0.03),
    authenticity=Interval(0.8, 0.7, 0.9),
    authenticity_heldout=Interval(0.8, 0.7, 0.9),
    nearer_auc=Interval(0.48, 0.4, 0.56),
    membership_auc=Interval(0.52, 0.4, 0.64),
)


def verdict(copies=0, images=1000, training=65, heldout=18, controls=0, limits=Thresholds(), **changes):  # noqa: B008
    flagged = Copies(np.arange(images)[np.newaxis] < copies, controls, 2000)
    return decide(
        flagged, {"gray_values": dataclasses.replace(HARMLESS_FIGURES, **changes)}, training, heldout, limits
    )


def findings(found):
    return {figure.name: figure.finding for figure in found.figures}


def test_no_sign():
    found = verdict()
    assert found.words == NO_SIGN
    assert set(findings(found).values()) == {HARMLESS}
    assert any("52 % of the time (40 % to 64 %" in reason for reason in found.reasons)
    assert found.reasons[-1] == "By gray values, 4 of 4 figures lie wholly within their limits."


def test_more_copies_than_chance_are_copies():
    found = verdict(copies=2)
    assert found.words == COPIES_FOUND
    assert "2 of 1,000 generated images" in found.reasons[0]
    assert "of 2,000 slices of new subjects none is" in found.reasons[0]


def test_one_that_may_be_chance_is_inconclusive():
    found = verdict(copies=1)
    assert found.words == INCONCLUSIVE
    assert "may be chance" in found.reasons[0]
    assert found.reasons[0].endswith("Look at the most suspicious pairs; more images would tell.")
    assert not any("None of" in reason for reason in found.reasons)


def test_copies_as_often_as_among_new_patients_are_chance():
    """One of 1,000 is what 1 of 2,000 new ones may make of it; 8 are more, whoever they are."""
    assert verdict(copies=1, controls=1).words == NO_SIGN
    assert verdict(copies=8, controls=1).words == COPIES_FOUND


@pytest.mark.parametrize("controls", [0, 20, 200, 2000])
@pytest.mark.parametrize("images", [100, 500, 2000, 20_000])
def test_one_per_cent_never_passes_however_many_new_subjects_look_like_copies(images, controls):
    assert verdict(copies=images // 100, images=images, controls=controls).words != NO_SIGN


def test_where_new_subjects_look_like_copies_copies_cannot_be_seen():
    """Most subjects are in the data set under two names: whoever is near to one is near to the other."""
    found = verdict(controls=1001)
    assert found.words == INCONCLUSIVE
    assert "0 of 1,000 generated images are" in found.reasons[0]
    assert "1,001 are so close. That is too many to see copies among;" in found.reasons[0]


def test_copies_of_few_that_are_twice_in_the_data_set_must_be_made_up_for_by_more_images():
    """Of 2,000 slices 100 are of such subjects: 516 images without a copy exclude 95 % of 0.75 %."""
    assert verdict(controls=100, images=515).words == INCONCLUSIVE
    assert verdict(controls=100, images=516).words == NO_SIGN


def test_too_few_images_are_told_how_many_would_do():
    found = verdict(images=100)
    assert found.words == INCONCLUSIVE
    assert "rarer than 3.62 % of all could have been missed" in found.reasons[0]
    assert "491 images without a copy would do" in found.reasons[0]
    assert verdict(images=490).words == INCONCLUSIVE
    assert verdict(images=491).words == NO_SIGN


def test_members_that_are_told_from_others_are_a_leak():
    assert verdict(membership_auc=Interval(0.9, 0.8, 0.95)).words == COPIES_FOUND


HARMFUL_FIGURES = {
    "closer_share": Interval(0.4, 0.3, 0.5),
    "authenticity": Interval(0.3, 0.2, 0.4),
    "nearer_auc": Interval(0.9, 0.8, 0.95),
}
WIDE_FIGURES = {
    "closer_share": Interval(0.03, 0.0, 0.22),
    "authenticity": Interval(0.7, 0.4, 0.9),
    "nearer_auc": Interval(0.6, 0.45, 0.75),
    "membership_auc": Interval(0.6, 0.45, 0.75),
}


@pytest.mark.parametrize("name", HARMFUL_FIGURES)
def test_closeness_is_harmful_only_if_it_tells_members_apart(name):
    """Images without detail are as close to everybody."""
    close = {name: HARMFUL_FIGURES[name]}
    found = verdict(**close)
    assert found.words == INCONCLUSIVE
    assert found.reasons[0].startswith("By gray values, ")
    assert found.reasons[0].endswith("so would images without detail.")
    told = Interval(0.6, 0.52, 0.68)
    assert verdict(membership_auc=told).words == NO_SIGN
    assert verdict(membership_auc=told, **close).words == COPIES_FOUND


@pytest.mark.parametrize("name", WIDE_FIGURES)
def test_a_wide_interval_is_inconclusive_whatever_the_figure(name):
    found = verdict(**{name: WIDE_FIGURES[name]})
    assert found.words == INCONCLUSIVE
    assert list(findings(found).values()).count(OPEN) == 1
    assert found.reasons[0].endswith(" held-out subjects would settle it.")


@pytest.mark.parametrize("name", ["closer_share", "nearer_auc", "membership_auc", "authenticity"])
def test_what_is_not_a_number_is_open(name):
    assert verdict(**{name: Interval(np.nan, np.nan, np.nan)}).words == INCONCLUSIVE


def test_one_measure_of_distance_that_tells_nobody_apart_speaks_for_images_without_detail():
    close = dataclasses.replace(
        HARMLESS_FIGURES, membership_auc=Interval(0.6, 0.52, 0.68), nearer_auc=Interval(0.9, 0.8, 0.95)
    )
    flagged = Copies(np.zeros((2, 1000), bool), 0, 2000)
    for other, words in ((HARMLESS_FIGURES, INCONCLUSIVE), (close, COPIES_FOUND)):
        assert decide(flagged, {"gray_values": close, "features": other}, 65, 18, Thresholds()).words == words


def test_too_few_subjects_are_told_how_many_would_do():
    found = verdict(training=10, heldout=3)
    assert found.words == INCONCLUSIVE
    training, heldout = subjects_needed(10, 3, 0.2 / MARGIN)
    assert f"{training} and {heldout} would do" in found.reasons[0]
    assert sum("would do" in reason for reason in found.reasons) == 1
    assert verdict(training=training, heldout=heldout).words == NO_SIGN
    fewest = subjects_needed(10, 3, 0.2)
    assert verdict(training=fewest[0], heldout=fewest[1]).words == NO_SIGN
    assert auc_error(fewest[0] - 1, fewest[1] - 1) > 0.2


def test_few_subjects_that_are_told_apart_are_no_leak():
    assert verdict(training=5, heldout=5, membership_auc=Interval(0.96, 0.8, 1.0)).words == INCONCLUSIVE


def test_copies_are_reported_even_of_few_subjects():
    found = verdict(copies=3, training=4, heldout=2)
    assert found.words == COPIES_FOUND
    assert findings(found)[MEMBERSHIP] == OPEN
    assert found.figures[0].finding == HARMFUL


def test_thresholds_can_be_changed():
    assert verdict(limits=Thresholds(max_membership_auc=0.6)).words == INCONCLUSIVE
    assert verdict(limits=Thresholds(max_auc_error=0.1)).words == INCONCLUSIVE
    assert verdict(limits=Thresholds(max_nearer_auc=0.55)).words == INCONCLUSIVE
    assert verdict(limits=Thresholds(max_authenticity_loss=0.05)).words == INCONCLUSIVE


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("copy_ratio", 0),
        ("closest_part", 1),
        ("max_membership_auc", 0.5),
        ("max_nearer_auc", 0.4),
        ("max_closer_share", 0.01),
        ("max_auc_error", 0.005),
    ],
)
def test_senseless_thresholds_are_refused(name, value):
    with pytest.raises(UserError, match=f"--{name}="):
        Thresholds(**{name: value})


@pytest.mark.parametrize(
    ("changed", "looser"),
    [
        ({}, False),
        ({"copy_ratio": 0.1}, True),
        ({"copy_ratio": 0.5}, False),
        ({"max_membership_auc": 0.99}, True),
        ({"max_membership_auc": 0.6}, False),
        ({"max_unseen_copies": 0.02, "max_nearer_auc": 0.6}, True),
        ({"closest_part": 0.001}, True),
    ],
)
def test_limits_that_let_more_pass_are_known_and_others_are_named(changed, looser):
    limits = Thresholds(**changed)
    assert limits.changed == changed
    assert limits.looser == looser
    said = limits_in_words(limits.changed)
    assert all(
        f"{name} {value:g} (not {getattr(Thresholds, name):g})" in said for name, value in changed.items()
    )
    assert bool(said) == bool(changed)


@pytest.mark.parametrize(
    ("found", "words", "place"),
    [
        (verdict(), INCONCLUSIVE, 0),
        (verdict(training=4, heldout=1), INCONCLUSIVE, 0),
        (verdict(copies=9), COPIES_FOUND, -1),
    ],
)
def test_scans_that_were_not_compared_leave_the_question_open(found, words, place):
    beside = beside_other_scans(found)
    assert beside.words == words
    assert beside.reasons[place].endswith("copies of those would not have been found.")
    assert set(found.reasons) < set(beside.reasons)
    assert beside.figures == found.figures
