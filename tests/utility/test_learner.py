import numpy as np
import pytest

from mrisynth.utility.learner import BATCH, Examples, Learner
from mrisynth.utility.networks import u_net
from tests.utility.lesions import draw_lesions

pytestmark = pytest.mark.both_stacks


@pytest.fixture(scope="module")
def learner():
    return Learner(u_net(16, 1), steps=20)


@pytest.fixture(scope="module")
def examples():
    return draw_lesions(40, seed=0)


def weights(learner):
    return [variable.numpy() for variable in learner._network.trainable_variables]


def test_it_forgets_what_it_learned_before_and_follows_its_seed(learner, examples):
    steps = []
    learner.fit(examples, seed=1, after_step=lambda: steps.append(1))
    first = weights(learner)
    assert len(steps) == 20
    learner.fit(draw_lesions(30, seed=9), seed=2)
    assert not np.array_equal(first[0], weights(learner)[0])
    learner.fit(examples, seed=1)
    for before, after in zip(first, weights(learner), strict=True):
        np.testing.assert_array_equal(before, after)
    learner.fit(examples, seed=1, augmented=True)
    assert not np.array_equal(first[0], weights(learner)[0])


def test_fewer_examples_than_a_batch_are_repeated(learner, examples):
    few = examples[: BATCH // 4]
    learner.fit(few, seed=0)
    seen = learner.predict(few.images)
    assert seen.shape == few.targets.shape
    assert set(np.unique(seen)) <= {0, 1}


def test_examples_are_put_together_and_taken_apart():
    few = Examples(np.arange(4, dtype=np.uint8).reshape(4, 1, 1, 1), np.arange(4))
    both = few + few[np.array([3, 1])]
    assert both.images.ravel().tolist() == both.targets.tolist() == [0, 1, 2, 3, 3, 1]
    assert len(both) == 6
