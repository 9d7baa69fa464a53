import collections

import pytest

from mrisynth.benchmarks import verdicts
from mrisynth.privacy.sample_size import MARGIN, subjects_needed
from mrisynth.privacy.verdict import COPIES_FOUND, INCONCLUSIVE, NO_SIGN
from tests.programs import call, check_refusal

PROGRAM = "tools/benchmark.py"


def check(counts, repetitions):
    """What the rule promises of every kind of generator."""
    assert {sum(found.values()) for found in counts.values()} == {repetitions}
    for kind, found in counts.items():
        if "copies" in kind or "training" in kind:
            assert found[NO_SIGN] == 0, kind
        else:
            assert found[COPIES_FOUND] <= 0.1 * repetitions, kind
    assert counts["1 % exact copies"][COPIES_FOUND] == repetitions
    assert counts["new subjects"][NO_SIGN] >= 0.9 * repetitions
    assert counts["new subjects, compared with few"][INCONCLUSIVE] == repetitions
    assert counts["new subjects, without detail"][NO_SIGN] == 0


def test_copies_never_pass_and_an_honest_generator_nearly_always_does():
    check(verdicts.frequencies(4), 4)


@pytest.mark.slow
def test_copies_never_pass_and_an_honest_generator_nearly_always_does_many_times():
    check(verdicts.frequencies(25), 25)


def test_enough_subjects_are_as_many_as_the_report_of_few_asks_for():
    assert subjects_needed(*verdicts.FEW, 0.2 / MARGIN) == verdicts.ENOUGH
    few = verdicts.evaluate(*verdicts.KINDS["new subjects, compared with few"], seed=0).verdict
    assert "{} and {} would do".format(*verdicts.ENOUGH) in few.reasons[0]


def test_what_is_open_for_few_subjects_is_settled_by_enough():
    kinds = ("new subjects, compared with few", "new subjects")
    few, enough = (
        collections.Counter(
            figure.finding for figure in verdicts.evaluate(*verdicts.KINDS[kind], 1).verdict.figures
        )
        for kind in kinds
    )
    assert few["open"] >= 8
    assert enough == {"harmless": 9}


def test_the_table_says_how_many_of_how_many():
    counts = {"new subjects": {NO_SIGN: 197, INCONCLUSIVE: 3, COPIES_FOUND: 0}}
    assert verdicts.table(counts).splitlines() == [
        "| what is drawn | no sign of copying | inconclusive | copies found |",
        "|---|---|---|---|",
        "| new subjects | 197 of 200 | 3 of 200 | 0 of 200 |",
    ]


def test_a_negative_number_of_repetitions_is_refused():
    check_refusal(call(PROGRAM, "--verdicts=-1"), "--verdicts=-1 must be a number of repetitions, as in 200")
