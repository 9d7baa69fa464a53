import numpy as np
import pytest

from mrisynth.errors import UserError
from mrisynth.metrics.classifier_two_sample import classifier_accuracy
from mrisynth.metrics.frechet_distance import frechet_distance
from mrisynth.metrics.kernel_distance import kernel_distance
from mrisynth.metrics.precision_recall import manifold_measures
from tests.metrics.random_features import draw

GOOD = draw(10, 4, 1)
BAD = np.where(np.eye(10, 4, dtype=bool), np.nan, GOOD)


def accuracy(first, second):
    return classifier_accuracy(first, second, np.arange(len(first)), np.arange(len(second)))


@pytest.mark.parametrize("measure", [accuracy, frechet_distance, kernel_distance, manifold_measures])
@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        (GOOD, GOOD[:, :3], "4 and 3 dimensions"),
        (GOOD[0], GOOD, r"shape \[4\]"),
        (GOOD, GOOD[None], r"shape \[1, 10, 4\]"),
        (BAD, GOOD, "not all finite"),
        (GOOD, np.float32(np.inf) * GOOD, "not all finite"),
        (GOOD[:1], GOOD, "features of 1 images are too few"),
        (GOOD, GOOD[:0], "features of 0 images are too few"),
    ],
)
def test_mistakes_are_named_in_one_sentence(measure, first, second, message):
    with pytest.raises(UserError, match=message) as caught:
        measure(first, second)
    assert "\n" not in str(caught.value)
