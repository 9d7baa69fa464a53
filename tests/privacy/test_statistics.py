import math

import numpy as np
import pytest
from scipy.stats import mannwhitneyu

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


def c_t(generated, heldout, generated_cells, heldout_cells, bootstrap=BOOTSTRAP):
    groups = each(len(generated)), each(len(heldout))
    return statistics.c_t(generated, groups[0], heldout, groups[1], generated_cells, heldout_cells, bootstrap)


def test_c_t_in_one_cell_is_mann_whitneys_z():
    random = np.random.RandomState(0)
    generated, heldout = random.normal(0, 1, 60), random.normal(0.3, 1, 40)
    found = c_t(generated, heldout, np.zeros(60, int), np.zeros(40, int))
    statistic = mannwhitneyu(generated, heldout).statistic
    expected = (statistic - 60 * 40 / 2) / math.sqrt(60 * 40 * 101 / 12)
    assert found.value == pytest.approx(expected)
    assert found.value < 0


def test_c_t_averages_cells_by_their_heldout_slices():
    random = np.random.RandomState(1)
    cells = [
        (random.normal(0, 1, 30), random.normal(1, 1, 60)),
        (random.normal(1, 1, 40), random.normal(0, 1, 20)),
    ]
    alone = [c_t(g, h, np.zeros(len(g), int), np.zeros(len(h), int)).value for g, h in cells]
    generated, heldout = (np.concatenate(part) for part in zip(*cells, strict=True))
    both = c_t(generated, heldout, np.repeat([0, 1], [30, 40]), np.repeat([0, 1], [60, 20]))
    assert both.value == pytest.approx((60 * alone[0] + 20 * alone[1]) / 80)
    assert alone[0] < 0 < alone[1]


def test_c_t_leaves_cells_with_few_slices_out():
    random = np.random.RandomState(2)
    generated, heldout = random.normal(size=50), random.normal(size=50)
    generated[:5] -= 100
    cells = np.repeat([1, 0], [5, 45])
    with_few = c_t(generated, heldout, cells, cells)
    without = c_t(generated[5:], heldout[5:], cells[5:], cells[5:])
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


def test_the_interval_of_c_t_holds_where_nothing_is_copied():
    """Both sides of subjects whose slices resemble each other: 0 is within the interval 19 times of 20."""
    random = np.random.RandomState(0)
    inside = 0
    for _ in range(100):
        sides = [np.repeat(random.normal(size=12), 10) + 0.3 * random.normal(size=120) for _ in range(2)]
        groups = Groups.of(np.repeat(np.arange(12), 10))
        one_cell = np.zeros(120, int)
        found = statistics.c_t(sides[0], groups, sides[1], groups, one_cell, one_cell, BOOTSTRAP)
        inside += found.low < 0 < found.high
    assert 85 <= inside <= 100


def searched(generated, heldout, training):
    """A search whose distances are given, nearest and second nearest subject."""
    sides = [Neighbors(np.zeros((len(d), 2), int), np.array(d)) for d in (generated, heldout, training)]
    return Search(RealNeighbors(sides[2], sides[1]), sides[0], np.zeros(1), np.zeros(1))


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
    assert not chance.is_more_than_chance
    many = statistics.find_copies([searched([[0.1, 1.0]] * 10 + NEW[10:], some, NEW)], 0.25)
    assert many.is_more_than_chance


def test_the_rule_of_three():
    """Of 300 without one, up to 1 %."""
    found = statistics.find_copies([searched(NEW, NEW * 2, NEW)], 0.25)
    assert found.most_by_chance == pytest.approx(0.01, rel=0.01)


def test_with_a_single_training_subject_nothing_is_alone():
    lone = Neighbors(np.zeros((3, 1), int), np.full((3, 1), 0.1))
    real = RealNeighbors(lone.without(np.ones((3, 1), bool)), lone)
    found = statistics.find_copies([Search(real, lone, np.zeros(1), np.zeros(1))], 0.25)
    assert (found.count, found.controls) == (0, 0)


def test_with_two_training_subjects_their_own_slices_are_no_copies():
    """One of the two is left out, so the other has nobody to be alone among."""
    training = Neighbors(np.zeros((3, 2), int), np.array([[0.1, np.inf]] * 3))
    new = Neighbors(np.zeros((3, 2), int), np.array([[1.0, 1.2]] * 3))
    found = statistics.find_copies(
        [Search(RealNeighbors(training, new), new, np.zeros(1), np.zeros(1))], 0.35
    )
    assert found.controls == 0
