"""What is said of images from an export, by its model card's verdict."""

import types

import pytest

from mrisynth.errors import UserError
from mrisynth.privacy.verdict import COPIES_FOUND, INCONCLUSIVE, NO_SIGN, UNKNOWN
from mrisynth.sampling.provenance import NOT_EVALUATED, Provenance
from tests.untrained_exports import evaluation

REPORT = "0123456789ab" + 52 * "c"
EXPORT = types.SimpleNamespace(name="heads", version="3", checksum="d" * 64, path="saved_models/heads/3")


def sampler(card, trained_on="f" * 64):
    return types.SimpleNamespace(export=EXPORT, card=card, trained_on=trained_on)


def of(words, **changes):
    card = {"evaluation": {**evaluation(words, REPORT), **changes}}
    return Provenance.of(sampler(card), despite_copies=words == COPIES_FOUND)


@pytest.mark.parametrize(
    ("words", "description", "warning"),
    [
        (NO_SIGN, "no sign of copying", "0123456789ab)."),
        (INCONCLUSIVE, "copying inconclusive", "images may be copies."),
        (COPIES_FOUND, "released despite copies found", "They were released all the same"),
    ],
)
def test_the_verdict_is_told_with_its_date_and_its_report(words, description, warning):
    found = of(words)
    assert f'"{words}" (evaluation of 2026-11-25, report 0123456789ab)' in found.statement
    assert warning in found.on_copying
    assert found.description == f"synthetic (mrisynth), {description} 2026-11-25 (0123456789ab)"
    assert found.to_json() == {
        "Model": "heads",
        "ModelVersion": "3",
        "ModelChecksum": "d" * 64,
        "TrainedOnPhantoms": False,
        "TrainingDataFingerprint": "f" * 64,
        "VerdictOnCopying": words,
        "EvaluationDate": "2026-11-25",
        "EvaluationReportChecksum": REPORT,
        "EvaluationShortForm": False,
        "OtherLimitsThanMrisynths": {},
        "ReleasedDespiteCopies": words == COPIES_FOUND,
    }


@pytest.mark.parametrize("card", [None, {"evaluation": None}])
def test_a_model_that_was_not_evaluated_says_so(card):
    found = Provenance.of(sampler(card, trained_on=None))
    assert found.verdict == NOT_EVALUATED
    assert "was not evaluated for copying: images may be copies" in found.statement
    assert "which does not say what it was trained on" in found.statement
    assert found.description == "synthetic (mrisynth), copying not evaluated"


def test_model_and_data_are_told_in_the_short_form():
    model, data = "model heads, version 3, checksum dddddddddddd", "scans, fingerprint ffffffffffff."
    assert of(NO_SIGN).statement.endswith(f"{model}, trained on a data set of {data}")


@pytest.mark.parametrize(
    ("words", "said"), [(NO_SIGN, UNKNOWN), (INCONCLUSIVE, UNKNOWN), (COPIES_FOUND, COPIES_FOUND)]
)
def test_an_old_card_that_names_no_data_set_establishes_nothing_but_harm(words, said):
    card = {"evaluation": evaluation(words, REPORT)}
    found = Provenance.of(sampler(card, trained_on=None), despite_copies=True)
    assert found.verdict == said
    assert "copies" in found.on_copying


def test_a_model_of_phantoms_says_so():
    card = {"evaluation": None, "data": {"kind": "phantoms"}}
    known, unknown = (Provenance.of(sampler(card, trained_on)) for trained_on in ("f" * 64, None))
    assert known.origin.endswith("trained on a data set of phantoms, fingerprint ffffffffffff")
    assert unknown.origin.endswith("trained on a data set of phantoms")
    assert known.to_json()["TrainedOnPhantoms"]


def test_a_model_that_copies_needs_a_flag():
    card = {"evaluation": evaluation(COPIES_FOUND, REPORT)}
    with pytest.raises(UserError, match="--saved_model=saved_models/heads/3 .*--release_despite_copies"):
        Provenance.of(sampler(card))


def test_the_flag_changes_nothing_for_any_other_model():
    card = {"evaluation": evaluation(INCONCLUSIVE, REPORT)}
    assert Provenance.of(sampler(card), despite_copies=True) == Provenance.of(sampler(card))


def test_images_that_are_not_like_the_data_are_said_not_to_be():
    assert (
        of(NO_SIGN, unlike_the_data="The images are not like the data.").statement.count("not like the") == 1
    )


def test_what_the_evaluation_did_not_look_at_is_said():
    card = {"evaluation": evaluation(NO_SIGN, REPORT)}
    asked = Provenance.of(sampler(card), asked=True)
    assert asked.on_copying.endswith(
        "did not look at images that were asked for labels or a truncation, as these were."
    )
    assert "did not look at" not in Provenance.of(sampler(card)).statement
    assert "evaluation did" not in Provenance.of(sampler(None), asked=True).statement


@pytest.mark.parametrize("words", [NO_SIGN, INCONCLUSIVE, COPIES_FOUND])
def test_what_qualifies_a_verdict_is_said_wherever_the_verdict_is(words):
    limits = {"max_membership_auc": 0.99}
    privacy = {"verdict": {"words": words, "reasons": []}, "copies": 0, "thresholds": limits}
    found = of(words, short=True, privacy=privacy)
    assert (
        "(short form of the evaluation of 2026-11-25, by other limits than mrisynth's, re" in found.on_copying
    )
    assert found.to_json()["EvaluationShortForm"] is True
    assert found.to_json()["OtherLimitsThanMrisynths"] == limits
    assert ("short form, other limits" in found.description) == (words != COPIES_FOUND)
    assert len(found.description) < 80
    assert of(NO_SIGN, short=True).description.endswith(", short form 2026-11-25 (0123456789ab)")


def test_an_old_evaluation_has_no_report_to_name():
    found = of(NO_SIGN, report=None)
    assert "report unknown" in found.statement
    assert found.description == "synthetic (mrisynth), no sign of copying 2026-11-25"


@pytest.mark.parametrize("words", [NO_SIGN, INCONCLUSIVE, COPIES_FOUND])
def test_the_description_fits_a_nifti_header(words):
    assert len(of(words).description) < 80


def test_a_damaged_evaluation_is_refused():
    with pytest.raises(UserError, match=r"the evaluation in the model card .* is damaged .*export"):
        of(NO_SIGN, privacy=None)
