import numpy as np

from mrisynth.evaluation.joined_halves import TITLES, find_partners, join_halves

SUBJECTS = np.repeat(["a", "a", "b", "c", "d"], [4, 4, 8, 2, 3])
SCANS = np.repeat([10, 11, 12, 13, 14], [4, 4, 8, 2, 3])
KINDS = np.repeat(["FLAIR", "T1w", "FLAIR", "FLAIR", "T2w"], [4, 4, 8, 2, 3])


def test_partners_are_other_subjects_of_the_same_contrast_at_the_same_place():
    partners = find_partners(SUBJECTS, SCANS, KINDS)
    place = np.concatenate([(np.arange(n) + 0.5) / n for n in (4, 4, 8, 2, 3)])
    for number, partner in enumerate(partners):
        if KINDS[number] != "FLAIR":
            assert partner == -1
            continue
        assert SUBJECTS[partner] != SUBJECTS[number]
        assert KINDS[partner] == "FLAIR"
        assert abs(place[partner] - place[number]) <= 0.25
    np.testing.assert_array_equal(partners, find_partners(SUBJECTS, SCANS, KINDS))
    assert set(SUBJECTS[partners[SUBJECTS == "b"]]) == {"a", "c"}


def test_each_half_is_of_one_subject():
    images = (np.arange(21, dtype=np.uint8)[:, None, None, None]) * np.ones((21, 4, 4, 2), np.uint8)
    partners = find_partners(SUBJECTS, SCANS, KINDS)
    joined = join_halves(images, partners)
    assert list(joined) == list(TITLES)
    rows = np.flatnonzero(partners >= 0)
    for first, second, side in (
        (joined["left_right"][:, :, :2], joined["left_right"][:, :, 2:], "left and right"),
        (joined["top_bottom"][:, :2], joined["top_bottom"][:, 2:], "top and bottom"),
    ):
        assert (first == images[rows][:, :1, :1]).all(), side
        assert (second == images[partners[rows]][:, :1, :1]).all(), side
    np.testing.assert_array_equal(images[:, 0, 0, 0], np.arange(21))


def test_of_one_subject_there_is_nothing_to_join():
    partners = find_partners(["a"] * 4, [0, 0, 1, 1], ["FLAIR"] * 4)
    assert (partners == -1).all()
    assert join_halves(np.zeros((4, 16, 16, 1), np.uint8), partners) == {}
