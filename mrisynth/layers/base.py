"""The base of all layers, and the one place that knows Keras 2.15 from Keras 3.

Everything else keeps to the API that the two share.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

_KERAS_3 = int(keras.__version__.split(".")[0]) >= 3


class Layer(keras.layers.Layer):
    """A layer that does its own casting: float32 weights, computation in the layer's compute dtype.

    Keras casts inputs and weights to the compute dtype before `call` sees them, but equalization and folding
    are computed in float32 and only their result is cast.

    Args:
        **kwargs: For `keras.layers.Layer`, such as dtype="mixed_bfloat16".
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(autocast=False, **kwargs)

    def add_float32_weight(self, name: str, shape: tuple[int, ...], initializer: Any) -> Any:
        """Adds a trainable weight that is float32 inside `call`, whatever the compute dtype."""
        autocast = "autocast" if _KERAS_3 else "experimental_autocast"
        return self.add_weight(
            name=name,
            shape=shape,
            initializer=initializer,
            dtype="float32",
            trainable=True,
            **{autocast: False},
        )


def tensorflow_variable(variable: Any) -> tf.Variable:
    """The `tf.Variable` behind a Keras variable (in Keras 2 they are the same object), or one itself."""
    return variable.value if _KERAS_3 and isinstance(variable, keras.Variable) else variable
