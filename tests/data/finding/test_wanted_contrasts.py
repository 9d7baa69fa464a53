import pytest

from mrisynth.data.finding.wanted_contrasts import the_one, wanted_contrasts
from mrisynth.errors import UserError

NAMES = [
    "sub-1/anat/sub-1_T1w.nii.gz",
    "sub-1/anat/sub-1_ce-GAD_T1w.nii.gz",
    "sub-1/anat/sub-1_acq-fast_ce-GD_T1w.nii.gz",
    "sub-1/anat/sub-1_acq-fast_T1w.nii.gz",
    "p1_flair.nii",
]


@pytest.mark.parametrize(
    ("asked", "label", "fitting"),
    [
        ("T1w", "T1w", [0, 1, 2, 3]),
        ("T1w[ce-GAD]", "ce-GAD_T1w", [1]),
        ("T1w[ce-gad]", "ce-gad_T1w", [1]),
        ("T1w[ce]", "ce_T1w", [1, 2]),
        ("T1w[!ce]", "T1w", [0, 3]),
        ("T1w[!ce-GAD]", "T1w", [0, 2, 3]),
        ("T1w[acq-fast,!ce]", "acq-fast_T1w", [3]),
        ("ce-GAD_T1w", "ce-GAD_T1w", [1]),
        ("FLAIR", "FLAIR", []),
    ],
)
def test_a_contrast_is_what_a_name_ends_in_and_the_entities_it_has(asked, label, fitting):
    (wanted,) = wanted_contrasts(asked)
    assert (wanted.text, wanted.label) == (asked, label)
    assert [number for number, name in enumerate(NAMES) if wanted.matches(name)] == fitting
    assert wanted.matches("p1_flair.nii", ignore_case=True) == (asked == "FLAIR")


def test_commas_part_contrasts_but_not_the_entities_of_one():
    assert [one.label for one in wanted_contrasts("FLAIR, T1w[ce,!acq],T1w[!ce],")] == [
        "FLAIR",
        "ce_T1w",
        "T1w",
    ]
    assert wanted_contrasts("") == ()


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ("T1w[ce", r"--suffix has 'T1w\[ce'; write FLAIR"),
        ("T1w[]", r"--suffix has 'T1w\[\]'"),
        ("[ce]", r"--suffix has '\[ce\]'"),
        ("T1w[ce=GAD]", "--suffix has"),
        ("FLAIR,T1w,flair", "FLAIR and flair would have one name"),
        ("T1w[!ce],T1w[!acq]", r"T1w\[!ce\] and T1w\[!acq\] would have one name"),
    ],
)
def test_what_cannot_be_meant_is_refused(asked, message):
    with pytest.raises(UserError, match=message):
        wanted_contrasts(asked)


def test_a_scan_is_of_one_contrast():
    both = wanted_contrasts("T1w,T1w[ce-GAD]")
    assert the_one(both[1:], NAMES[1]) is both[1]
    with pytest.raises(UserError, match=r"--suffix: .*_ce-GAD_T1w.nii.gz fits T1w and T1w\[ce-GAD\]"):
        the_one(both, NAMES[1])


def test_descriptions_of_dicom_series_have_words_and_no_entities():
    flair, plain, enhanced = wanted_contrasts("FLAIR,T1[!ce],T1[ce]")
    assert flair.describes("T2FLAIR_tra")
    assert not flair.describes("FLAIRED up")
    assert plain.describes("t1 tra")
    assert not plain.describes("AX T10")
    assert not enhanced.describes("t1 tra")
