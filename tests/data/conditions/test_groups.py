import pytest

from mrisynth.data.conditions.groups import label_groups
from mrisynth.data.storing.manifest import Manifest, Source, SplitInfo


def groups_of(rows, heldout=()):
    """The groups of a data set with these scans: subject, suffix and columns of participants.tsv."""
    sources = [
        Source(
            name=f"{subject}_{suffix}.nii",
            input="scans",
            subject=subject,
            suffix=suffix,
            split="heldout" if subject in heldout else "train",
            participant=columns,
        )
        for subject, suffix, columns in rows
    ]
    sides = {"train": SplitInfo((), 0), "heldout": SplitInfo((), 0)}
    return label_groups(Manifest("1", {}, ("image",), "axial", "", (4,), 256.0, sides, {}, tuple(sources)))


def scans(number, suffixes, **columns):
    return [(f"s{number}", suffix, columns) for suffix in suffixes]


def test_subjects_count_once_for_each_combination_on_their_side():
    rows = [
        row for n in range(8) for row in scans(n, ["FLAIR", "T1w", "T1w"], sex="FM"[n % 2], age=str(30 + n))
    ]
    groups = groups_of(rows, heldout=("s0", "s1", "s2"))
    assert groups.labels == ("suffix", "sex")
    assert groups.subjects == {
        ("FLAIR", "F"): (2, 2),
        ("FLAIR", "M"): (3, 1),
        ("T1w", "F"): (2, 2),
        ("T1w", "M"): (3, 1),
    }
    assert (groups.confounded, groups.identifying) == ((), ())


def test_a_label_that_another_one_determines_is_named():
    same = [row for n in range(8) for row in scans(n, [("FLAIR", "T2w")[n % 2]], site="AB"[n % 2])]
    assert groups_of(same).confounded == ("suffix and site say the same of every scan (FLAIR: A, T2w: B)",)
    three = [row for n in range(9) for row in scans(n, [("FLAIR", "FLAIR", "T2w")[n % 3]], site="ACB"[n % 3])]
    assert groups_of(three).confounded == (
        "site determines suffix (A: FLAIR, B: T2w, C: FLAIR)",
        "all 3 subjects with suffix T2w have site B",
    )
    apart = [row for n in range(8) for row in scans(n, ["FLAIR", "T2w"], site="AB"[n % 2])]
    assert groups_of(apart).confounded == ()


def test_a_value_that_only_comes_with_another_is_named_where_that_is_not_by_chance():
    rows = [row for n in range(20) for row in scans(n, ["FLAIR"], site="AAAB"[n % 4])]
    rows += [row for n in range(20, 28) for row in scans(n, ["FLAIR", "T2w"], site="B")]
    assert groups_of(rows).confounded == (
        "all 8 subjects with suffix T2w have site B",
        "all 15 subjects with site A have suffix FLAIR",
    )
    assert groups_of([row for row in rows if row[0] < "s22" or row[1] == "FLAIR"]).confounded == ()


def test_numbers_are_groups_where_few_values_are_codes():
    rows = [
        row for n in range(8) for row in scans(n, ["FLAIR"], grade=str(2 + n % 2), weight=f"{60 + n / 7}")
    ]
    assert groups_of(rows).labels == ("grade",)


@pytest.mark.parametrize(("number", "named"), [(3, ("name",)), (20, ("name", "record"))])
def test_columns_that_identify_people_are_named(number, named):
    rows = [
        row
        for n in range(number)
        for row in scans(n, ["FLAIR", "T1w"], name=f"P{n}", record=str(7000 + 3 * n))
    ]
    groups = groups_of(rows)
    assert groups.identifying == named
    assert groups.labels == ("suffix",)


def test_what_is_unknown_is_no_value_of_its_own():
    rows = [
        row for n in range(8) for row in scans(n, ["FLAIR"], site=("A", "B", "n/a", "A")[n % 4], none="n/a")
    ]
    groups = groups_of(rows)
    assert groups.labels == ("site",)
    assert groups.subjects == {("A",): (4, 0), ("B",): (2, 0), ("n/a",): (2, 0)}


def test_a_column_called_suffix_is_told_from_the_scans_own():
    rows = [row for n in range(8) for row in scans(n, ["FLAIR", "T1w"], suffix="xy"[n // 4])]
    assert groups_of(rows).labels == ("suffix", "participant/suffix")
