import math

import numpy as np
import pytest
from scipy.stats import mannwhitneyu

from mrisynth.metrics import privacy
from mrisynth.metrics.intervals import Bootstrap
from mrisynth.metrics.neighbors import Neighbors
from mrisynth.metrics.search import Groups

BOOTSTRAP = Bootstrap(200)


def each(count):
    return Groups.of(np.arange(count))


def test_the_share_closer_than_the_closest_heldout_by_hand():
    heldout = np.arange(1, 101, dtype=float)  # The closest 2 % are those up to 2.
    generated = np.array([0.5, 1, 1.9, 2, 50])
    found = privacy.closer_share(generated, each(5), heldout, each(100), 0.02, BOOTSTRAP)
    assert found.value == 3 / 5
    assert found.low < found.value < found.high


def test_the_share_of_new_patients_is_as_expected():
    random = np.random.RandomState(0)
    generated, heldout = random.uniform(size=20_000), random.uniform(size=20_000)
    found = privacy.closer_share(generated, each(20_000), heldout, each(20_000), 0.01, BOOTSTRAP)
    assert found.low < 0.01 < found.high
    assert found.high - found.low < 0.01


def test_an_image_is_authentic_if_other_subjects_are_nearer_to_its_neighbour():
    training = Neighbors(np.array([[1], [0], [0]]), np.array([[2.0], [2.0], [3.0]]))
    images = Neighbors(np.array([[0, 1], [2, 0]]), np.array([[1.0, 4.0], [3.5, 5.0]]))
    assert privacy.authentic(images, training).tolist() == [False, True]


def test_c_t_in_one_cell_is_mann_whitneys_z():
    random = np.random.RandomState(0)
    generated, heldout = random.normal(0, 1, 60), random.normal(0.3, 1, 40)
    found = privacy.c_t(generated, heldout, each(40), np.zeros(60, int), np.zeros(40, int), BOOTSTRAP)
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
    alone = [
        privacy.c_t(g, h, each(len(h)), np.zeros(len(g), int), np.zeros(len(h), int), BOOTSTRAP).value
        for g, h in cells
    ]
    generated, heldout = (np.concatenate(part) for part in zip(*cells, strict=True))
    both = privacy.c_t(
        generated, heldout, each(80), np.repeat([0, 1], [30, 40]), np.repeat([0, 1], [60, 20]), BOOTSTRAP
    )
    assert both.value == pytest.approx((60 * alone[0] + 20 * alone[1]) / 80)
    assert alone[0] < 0 < alone[1]


def test_c_t_leaves_cells_with_few_slices_out():
    random = np.random.RandomState(2)
    generated, heldout = random.normal(size=50), random.normal(size=50)
    generated[:5] -= 100
    cells = np.repeat([1, 0], [5, 45])
    with_few = privacy.c_t(generated, heldout, each(50), cells, cells, BOOTSTRAP)
    without = privacy.c_t(generated[5:], heldout[5:], each(45), cells[5:], cells[5:], BOOTSTRAP)
    assert with_few.value == pytest.approx(without.value)


def test_the_area_under_the_curve_by_hand():
    assert privacy.auc(np.array([1.0, 2]), np.array([3.0, 4])) == 1
    assert privacy.auc(np.array([3.0, 4]), np.array([1.0, 2])) == 0
    assert privacy.auc(np.array([1.0, 3]), np.array([2.0])) == 0.5
    assert privacy.auc(np.array([1.0]), np.array([1.0])) == 0.5


def test_membership_is_a_guess_where_nothing_tells_subjects_apart():
    random = np.random.RandomState(0)
    found = privacy.membership_auc(random.normal(size=60), random.normal(size=20), BOOTSTRAP)
    assert found.low < 0.5 < found.high
    told = privacy.membership_auc(random.normal(-3, 1, 60), random.normal(size=20), BOOTSTRAP)
    assert told.low > 0.9


def searched(generated, heldout):
    """A search whose distances are given, nearest and second nearest subject."""
    arrays = [Neighbors(np.zeros((len(d), 2), int), np.array(d)) for d in (generated, heldout)]
    return privacy.Search(*arrays, arrays[1], np.zeros(1), np.zeros(1))


def test_a_copy_is_close_to_one_subject_alone_and_closer_than_new_patients():
    heldout = [[1.0, 1.2]] * 100
    copy, near_several, alone_but_far = [0.1, 1.0], [0.1, 0.12], [2.0, 9.0]
    found = searched([copy, near_several, alone_but_far], heldout)
    copies = privacy.find_copies(found.generated, found.heldout, 0.01, 0.25)
    assert copies.tolist() == [True, False, False]
