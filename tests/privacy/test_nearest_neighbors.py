import numpy as np

from mrisynth.privacy.nearest_neighbors import Groups, ReferenceIndex


def test_groups_gather_rows_wherever_they_lie():
    groups = Groups.of(np.array(["b", "a", "b", "c", "a"]))
    assert groups.count == 3
    assert groups.order.tolist() == [1, 4, 0, 2, 3]
    assert groups.starts.tolist() == [0, 2, 4]
    assert groups.means(np.array([1.0, 2, 3, 4, 6])).tolist() == [4, 2, 4]


def test_rows_beside_stay_within_their_group():
    groups = Groups.of(np.array([0, 0, 0, 1, 1]))
    assert groups.beside(np.array([0, 1, 4]), (-1, 1, 2)).tolist() == [[0, 1, 2], [0, 2, 2], [3, 4, 4]]


def brute_force(queries, references, labels, count):
    """The best reference of each of the best groups, one query at a time."""
    result = []
    for variants in queries:
        products = (variants @ references.T).max(axis=0)
        best = {
            label: max(np.flatnonzero(labels == label), key=lambda i: products[i]) for label in set(labels)
        }
        result.append(sorted(best.values(), key=lambda i: -products[i])[:count])
    return result


def find(queries, references, groups, count, left_out=None):
    return ReferenceIndex(references, groups).largest_products(queries, count, left_out)


def test_the_best_of_each_of_the_best_groups_is_found():
    random = np.random.RandomState(0)
    queries = random.normal(size=(17, 3, 8)).astype(np.float32)
    references = random.normal(size=(40, 8)).astype(np.float32)
    labels = random.randint(9, size=40)
    found = find(queries, references, Groups.of(labels), 4)
    assert found.tolist() == brute_force(queries, references, labels, 4)


def test_fewer_groups_than_asked_for_are_all_found():
    references = np.eye(3, dtype=np.float32)
    found = find(references[:, np.newaxis], references, Groups.of(np.array([5, 5, 7])), 8)
    assert found.tolist() == [[0, 2], [1, 2], [2, 0]]


def test_a_group_left_out_comes_last():
    references = np.eye(3, dtype=np.float32)
    groups = Groups.of(np.arange(3))
    left_out = np.array([0, -1, 2])
    found = find(references[:, np.newaxis], references, groups, 3, left_out=left_out)
    assert found[0, -1] == 0
    assert found[1, 0] == 1
    assert found[2, -1] == 2


def test_a_block_of_queries_fits_the_memory_of_a_search():
    index = ReferenceIndex(np.zeros((2**10, 2), np.float32), Groups.of(np.arange(2**10)))
    assert index.block(variants=2**5) == 2**10
    assert ReferenceIndex(np.zeros((2**16, 2), np.float32), Groups.of(np.arange(2**16))).block(2**10) == 1
