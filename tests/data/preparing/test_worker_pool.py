import operator
import os

import pytest

from mrisynth.data.preparing.worker_pool import in_workers
from mrisynth.errors import UserError


@pytest.mark.parametrize("count", [1, 2])
def test_results_come_in_order_and_items_are_taken_a_few_ahead(count):
    taken = []

    def items():
        for number in range(-20, 0):
            taken.append(number)
            yield number

    results = in_workers(operator.neg, items(), count)
    assert next(results) == 20
    assert len(taken) <= count + 1
    assert list(results) == list(range(19, 0, -1))


def test_a_worker_that_dies_is_said():
    with pytest.raises(UserError, match="--num_workers: a worker died"):
        list(in_workers(os._exit, iter([3, 3]), 2))
