import keras
import numpy as np
import pytest
import tensorflow as tf

from mrisynth.layers.base import Layer, tensorflow_variable

pytestmark = pytest.mark.both_stacks


class Scale(Layer):
    """Multiplies by a weight, and keeps what it saw in `call`."""

    def build(self, input_shape):
        self.weight = self.add_float32_weight("weight", (), "ones")
        self.built = True

    def call(self, inputs):
        self.seen = inputs.dtype, tf.convert_to_tensor(self.weight).dtype
        return inputs * tf.convert_to_tensor(self.weight)


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16", "float16"])
def test_layers_do_their_own_casting(policy):
    layer = Scale(dtype=policy)
    layer(tf.ones([2, 3]))
    assert layer.seen == (tf.float32, tf.float32)
    assert layer.compute_dtype == keras.mixed_precision.Policy(policy).compute_dtype


def test_the_variable_behind_a_weight_is_the_weight():
    layer = Scale()
    layer.build((None, 3))
    variable = tensorflow_variable(layer.weight)
    assert isinstance(variable, tf.Variable)
    assert tensorflow_variable(variable) is variable
    variable.assign(2.0)
    np.testing.assert_array_equal(layer.get_weights()[0], 2.0)
    np.testing.assert_array_equal(layer(tf.ones([1, 3])), [[2.0] * 3])
