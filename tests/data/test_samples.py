import numpy as np
import tensorflow as tf

from mrisynth.data.samples import Samples


def test_samples_stay_samples_on_their_way_through_tensorflow():
    samples = Samples(np.zeros((4, 8, 8, 1), np.float32), np.ones((4, 3), np.float32))
    dataset = tf.data.Dataset.from_tensor_slices(samples).batch(2)
    doubled = tf.function(lambda batch: tf.nest.map_structure(lambda part: 2 * part, batch))
    (batch, *_) = list(dataset.map(doubled))
    assert isinstance(batch, Samples)
    assert batch.images.shape == (2, 8, 8, 1)
    np.testing.assert_array_equal(batch.labels, np.full((2, 3), 2))
