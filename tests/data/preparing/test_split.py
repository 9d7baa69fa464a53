import hashlib
import itertools
import random

import pytest

from mrisynth.data.preparing.split import check_together, held_out, named_subjects
from mrisynth.errors import UserError


def names(count):
    return [f"sub-{number:04d}" for number in range(count)]


def place(name):
    return hashlib.sha256(name.encode()).hexdigest()


@pytest.mark.parametrize("share", [0.05, 0.2, 0.5, 0.9])
def test_the_share_is_kept_to_the_nearest_subject_and_both_sides_have_one(share):
    for count in range(2, 60):
        chosen = held_out(names(count), share)
        assert 1 <= len(chosen) <= count - 1
        assert abs(len(chosen) - share * count) <= 0.5 or len(chosen) in (1, count - 1)


def test_by_hand():
    ordered = sorted(names(10), key=place)
    assert held_out(names(10), 0.3) == set(ordered[:3])
    assert held_out(reversed(names(10)), 0.3) == set(ordered[:3])
    assert held_out([*names(10), *names(10)], 0.3) == set(ordered[:3])
    assert held_out(names(7), 0.2) == {min(names(7), key=place)}


def test_nobody_is_held_out_where_none_is_asked_for_or_nobody_would_be_left():
    assert held_out(names(10), 0) == frozenset()
    assert held_out(["alone"], 0.9) == frozenset()
    assert held_out([], 0.2) == frozenset()
    assert held_out(names(2), 0.2, together=[names(2)]) == frozenset()


def test_new_subjects_move_only_those_at_the_end_of_the_share():
    moved = 0
    for seed in range(50):
        everyone = [f"{seed}-{number}" for number in range(120)]
        before, after = held_out(everyone[:100], 0.2), held_out(everyone, 0.2)
        gone, stayed = before - after, before & after
        assert not gone or min(map(place, gone)) > max(map(place, stayed))
        moved += len(gone)
    assert moved / 50 < 1.5


def test_strata_keep_the_share_and_the_total():
    subjects = names(50)
    strata = {name: ("big" if index < 30 else "small", index % 2) for index, name in enumerate(subjects)}
    chosen = held_out(subjects, 0.2, strata)
    assert len(chosen) == 10
    cells = {cell: sum(strata[name] == cell for name in chosen) for cell in set(strata.values())}
    assert cells == {("big", 0): 3, ("big", 1): 3, ("small", 0): 2, ("small", 1): 2}


def test_many_small_strata_still_leave_the_total_right():
    subjects = names(40)
    strata = {name: index // 2 for index, name in enumerate(subjects)}
    assert len(held_out(subjects, 0.2, strata)) == 8
    assert len(held_out(subjects, 0.2, {name: name for name in subjects})) == 8


def test_groups_stand_on_one_side_and_the_share_stays_near():
    shuffled = names(60)
    random.Random(0).shuffle(shuffled)
    groups = [shuffled[:2], shuffled[2:5], [shuffled[4], shuffled[5]]]
    chosen = held_out(names(60), 0.2, together=groups)
    for group in [shuffled[:2], shuffled[2:6]]:
        assert len(set(group) & chosen) in (0, len(group))
    assert abs(len(chosen) - 12) <= 2


def test_two_groups_are_one_side_each():
    for share in (0.01, 0.5, 0.99):
        chosen = held_out("abcd", share, together=["ab", "cd"])
        assert chosen in ({"a", "b"}, {"c", "d"})


def test_named_subjects_are_found_with_and_without_sub():
    assert named_subjects(["sub-0001", "0002"], names(5)) == {"sub-0001", "sub-0002"}
    with pytest.raises(UserError, match=r"--holdout_subjects: .* no subject 9; subjects are sub-0000, "):
        named_subjects(["9", "0001"], names(5))
    with pytest.raises(UserError, match="every subject"):
        named_subjects(names(5), names(5))


def test_named_subjects_do_not_part_what_belongs_together():
    check_together({"a", "b"}, [("a", "b"), ("c", "d")])
    for chosen in itertools.chain("ab"):
        with pytest.raises(UserError, match="the same voxels"):
            check_together({chosen}, [("a", "b")])


def test_many_who_belong_together_are_no_reason_to_hold_nearly_everybody_out():
    together = [names(9)]
    chosen = held_out(names(10), 0.2, together=together)
    assert chosen == {"sub-0009"}
    for share in (0.05, 0.5, 0.8):
        for tied in range(2, 20):
            chosen = held_out(names(20), share, together=[names(tied)])
            assert 1 <= len(chosen) < 20
            assert abs(len(chosen) - 20 * share) <= max(1, tied / 2)
