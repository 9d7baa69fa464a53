import math

import numpy as np
import pytest
from scipy.stats import binom, mannwhitneyu

from mrisynth.metrics.estimates import Interval
from mrisynth.privacy import statistics
from mrisynth.privacy.bootstrap import Bootstrap
from mrisynth.privacy.distances import Neighbors
from mrisynth.privacy.nearest_neighbors import Groups
from mrisynth.privacy.searches import RealNeighbors, Search

BOOTSTRAP = Bootstrap(200)


def each(count):
    return Groups.of(np.arange(count))


def test_the_share_closer_than_the_closest_heldout_by_hand():
    heldout = np.arange(1, 101, dtype=float)  # The closest 2 % are those up to 2.
    generated = np.array([0.5, 1, 1.9, 2, 50])
    found = statistics.closer_share(generated, each(5), heldout, each(100), 0.02, BOOTSTRAP)
    assert found.value == 3 / 5
    assert found.low < found.value < found.high


def test_the_share_of_new_patients_is_as_expected():
    random = np.random.RandomState(0)
    generated, heldout = random.uniform(size=20_000), random.uniform(size=20_000)
    found = statistics.closer_share(generated, each(20_000), heldout, each(20_000), 0.01, BOOTSTRAP)
    assert found.low < 0.01 < found.high
    assert found.high - found.low < 0.01


def test_an_image_is_authentic_if_other_subjects_are_nearer_to_its_neighbor():
    training = Neighbors(np.array([[1], [0], [0]]), np.array([[2.0], [2.0], [3.0]]))
    images = Neighbors(np.array([[0, 1], [2, 0]]), np.array([[1.0, 4.0], [3.5, 5.0]]))
    assert statistics.authentic(images, training).tolist() == [False, True]


def nearer_auc(generated, heldout, generated_cells, heldout_cells, bootstrap=BOOTSTRAP):
    groups = each(len(generated)), each(len(heldout))
    return statistics.nearer_auc(
        generated, groups[0], heldout, groups[1], generated_cells, heldout_cells, bootstrap
    )


def test_nearer_in_one_cell_is_mann_whitneys_statistic():
    random = np.random.RandomState(0)
    generated, heldout = random.normal(0, 1, 60), random.normal(0.3, 1, 40)
    found = nearer_auc(generated, heldout, np.zeros(60, int), np.zeros(40, int))
    assert found.value == pytest.approx(1 - mannwhitneyu(generated, heldout).statistic / (60 * 40))
    assert found.value > 0.5


def test_nearer_does_not_grow_with_the_number_of_images():
    """C_T's own z-score is ten times as large for a hundred times as many."""
    random = np.random.RandomState(3)
    few, many = (
        nearer_auc(
            random.normal(0, 1, count),
            random.normal(0.5, 1, count),
            np.zeros(count, int),
            np.zeros(count, int),
            Bootstrap(2),
        ).value
        for count in (200, 20_000)
    )
    assert few == pytest.approx(many, abs=0.06)


def test_nearer_averages_cells_by_their_heldout_slices():
    random = np.random.RandomState(1)
    cells = [
        (random.normal(0, 1, 30), random.normal(1, 1, 60)),
        (random.normal(1, 1, 40), random.normal(0, 1, 20)),
    ]
    alone = [nearer_auc(g, h, np.zeros(len(g), int), np.zeros(len(h), int)).value for g, h in cells]
    generated, heldout = (np.concatenate(part) for part in zip(*cells, strict=True))
    both = nearer_auc(generated, heldout, np.repeat([0, 1], [30, 40]), np.repeat([0, 1], [60, 20]))
    assert both.value == pytest.approx((60 * alone[0] + 20 * alone[1]) / 80)
    assert alone[0] > 0.5 > alone[1]


def test_nearer_leaves_cells_with_few_slices_out():
    random = np.random.RandomState(2)
    generated, heldout = random.normal(size=50), random.normal(size=50)
    generated[:5] -= 100
    cells = np.repeat([1, 0], [5, 45])
    with_few = nearer_auc(generated, heldout, cells, cells)
    without = nearer_auc(generated[5:], heldout[5:], cells[5:], cells[5:])
    assert with_few.value == pytest.approx(without.value)


def test_the_area_under_the_curve_by_hand():
    assert statistics.auc(np.array([1.0, 2]), np.array([3.0, 4])) == 1
    assert statistics.auc(np.array([3.0, 4]), np.array([1.0, 2])) == 0
    assert statistics.auc(np.array([1.0, 3]), np.array([2.0])) == 0.5
    assert statistics.auc(np.array([1.0]), np.array([1.0])) == 0.5


def test_membership_is_a_guess_where_nothing_tells_subjects_apart():
    random = np.random.RandomState(0)
    found = statistics.membership_auc(random.normal(size=60), random.normal(size=20), BOOTSTRAP)
    assert found.low < 0.5 < found.high
    told = statistics.membership_auc(random.normal(-3, 1, 60), random.normal(size=20), BOOTSTRAP)
    assert told.low > 0.9


def test_the_interval_of_nearer_holds_where_nothing_is_copied():
    """Both sides of subjects whose slices resemble each other: 0.5 is within the interval 19 times of 20."""
    random = np.random.RandomState(0)
    inside = 0
    for _ in range(100):
        sides = [np.repeat(random.normal(size=12), 10) + 0.3 * random.normal(size=120) for _ in range(2)]
        groups = Groups.of(np.repeat(np.arange(12), 10))
        one_cell = np.zeros(120, int)
        found = statistics.nearer_auc(sides[0], groups, sides[1], groups, one_cell, one_cell, BOOTSTRAP)
        inside += found.low < 0.5 < found.high
    assert 85 <= inside <= 100


def searched(generated, heldout, training):
    """A search whose distances are given, nearest and second nearest subject."""
    sides = [Neighbors(np.zeros((len(d), 2), int), np.array(d)) for d in (generated, heldout, training)]
    return Search(RealNeighbors(sides[2], sides[1]), sides[0])


NEW = [[1.0, 1.2]] * 100


def test_a_copy_is_close_to_one_subject_alone_and_closer_than_half_of_new_patients():
    copy, near_several, alone_but_far = [0.1, 1.0], [0.1, 0.12], [2.0, 9.0]
    found = statistics.find_copies([searched([copy, near_several, alone_but_far], NEW, NEW)], 0.25)
    assert found.generated.tolist() == [True, False, False]
    assert (found.count, found.controls, found.control_count) == (1, 0, 200)


def test_a_copy_by_one_measure_is_a_copy():
    copy, other = [0.1, 1.0], [1.0, 1.2]
    by_pixels, by_features = (searched(images, NEW, NEW) for images in ([copy, other], [other, other]))
    assert statistics.find_copies([by_pixels, by_features], 0.25).by_measure.tolist() == [
        [True, False],
        [False, False],
    ]


def test_as_many_as_among_new_patients_is_chance():
    some = [[0.1, 1.0]] * 2 + NEW[2:]
    chance = statistics.find_copies([searched(some, some, NEW)], 0.25)
    assert (chance.count, chance.controls) == (2, 2)
    assert chance.share.value <= chance.most_by_chance()
    many = statistics.find_copies([searched([[0.1, 1.0]] * 10 + NEW[10:], some, NEW)], 0.25)
    assert many.share.value > many.most_by_chance() > many.most_by_chance(0.8)


def test_the_rule_of_three():
    """Of 300 without one, up to 1 %."""
    found = statistics.find_copies([searched(NEW, NEW * 2, NEW)], 0.25)
    assert found.most_by_chance() == pytest.approx(0.01, rel=0.01)


def test_the_share_of_copies_has_an_exact_interval():
    """Its ends are the shares that make so many, or so few, a matter of 2.5 %."""
    share = statistics.Copies(np.arange(50)[np.newaxis] < 4, 0, 9).share
    assert share.value == 4 / 50
    assert binom.sf(3, 50, share.low) == pytest.approx(0.025)
    assert binom.cdf(4, 50, share.high) == pytest.approx(0.025)
    none, all_of_them = (statistics.Copies(np.full((1, 50), each), 0, 9).share for each in (False, True))
    assert (none.low, all_of_them.high) == (0, 1)
    assert (1 - none.high) ** 50 == pytest.approx(0.025)


def test_authenticity_is_lost_as_far_as_new_patients_have_more_of_it():
    kept = statistics.Closeness(
        *[None] * 5,
        authenticity=Interval(0.6, 0.55, 0.68),
        authenticity_heldout=Interval(0.7, 0.64, 0.73),
        nearer_auc=None,
        membership_auc=None,
    ).authenticity_loss
    assert kept.value == pytest.approx(0.1)
    assert kept.low == pytest.approx(0.1 - 0.1)  # 0.06 and 0.08
    assert kept.high == pytest.approx(0.1 + math.hypot(0.03, 0.05))


def test_with_a_single_training_subject_nothing_is_alone():
    lone = Neighbors(np.zeros((3, 1), int), np.full((3, 1), 0.1))
    real = RealNeighbors(lone.without(Groups.of(np.zeros(1)), np.zeros(3, int)), lone)
    found = statistics.find_copies([Search(real, lone)], 0.25)
    assert (found.count, found.controls) == (0, 0)


def test_with_two_training_subjects_their_own_slices_are_no_copies():
    """One of the two is left out, so the other has nobody to be alone among."""
    training = Neighbors(np.zeros((3, 2), int), np.array([[0.1, np.inf]] * 3))
    new = Neighbors(np.zeros((3, 2), int), np.array([[1.0, 1.2]] * 3))
    found = statistics.find_copies([Search(RealNeighbors(training, new), new)], 0.35)
    assert found.controls == 0


def test_aloneness_is_the_distance_to_the_nearest_subject_by_that_to_the_next_one():
    heldout = Neighbors(np.zeros((3, 2), int), np.array([[0.3, 1.0], [0.5, 1.0], [0.7, 1.0]]))
    real = RealNeighbors(heldout, heldout)
    images = np.array([[0.1, 0.8], [0.4, 0.5], [0.6, 3.0], [0.1, np.inf], [0.0, 0.0]])
    found = statistics.aloneness(Neighbors(np.zeros((5, 2), int), images), real, 0.25)
    # The third is farther than half of the held-out slices, the fourth has no other subject.
    assert found[:2] == pytest.approx([0.125, 0.8])
    assert np.isinf(found[2:]).all()


def test_a_copy_of_a_person_under_several_names_is_alone_with_that_person():
    """Slice 0 is there under three names, slice 1 under two, slice 2 under one."""
    inf = np.inf
    training = [[0.0, 0.01, 1.0, inf], [0.1, 1.0, 1.1, inf], [1.0, 1.1, 1.2, inf]]
    training = Neighbors(np.zeros((3, 4), int), np.array(training))
    heldout = Neighbors(np.zeros((3, 4), int), np.array([[1.0, 1.1, 1.2, 1.3]] * 3))
    images = [
        (0, [0.0, 0.0, 0.0, 1.0], 0.0),  # A copy under three names,
        (1, [0.1, 0.2, 1.0, 1.0], 0.2),  # and under two.
        (1, [0.5, 0.6, 1.0, 1.0], 0.5 / 0.6),  # Not close enough to either.
        (2, [0.2, 0.2, 1.0, 1.0], 1.0),  # Close to two who are not one person.
        (1, [0.1, 0.1, 0.1, 1.0], 1.0),  # Close to one more than that person's names.
        (0, [0.0, 0.0, 0.0, inf], inf),  # There is nobody else.
    ]
    nearest, distances, expected = zip(*images, strict=True)
    indices = np.repeat(np.array(nearest)[:, np.newaxis], 4, axis=1)
    generated = Neighbors(indices, np.array(distances))
    found = statistics.aloneness(generated, RealNeighbors(training, heldout), 0.25)
    np.testing.assert_allclose(found, expected)
