"""The core of self-attention, softmax(q k^T) v, with hand-written first and second derivatives.

Tables of queries by keys are far larger than anything else in the networks, and what differentiation records
goes over them many times, mostly in float32. Written by hand, every sum along a table's rows comes from the
small matrices instead; what is left is matrix products, one softmax and a few multiplications.

Blocks of queries, whose tables would stay in the cache, and XLA were measured on a CPU and are not faster:
the matrix products alone are most of the time.
"""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

Gradients = tuple[tf.Tensor, ...]


def attend(queries: tf.Tensor, keys: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
    """Every query's mean of the values, weighted by the softmax of its products with the keys.

    softmax(q k^T) v is computed as softmax(q (k - k')^T) (v - v') + v', k' and v' being means over the keys.
    That is the same function for whatever k' and v', which have no derivative therefore; but where keys or
    values have much in common, the derivatives are small differences, which bfloat16 would round away.

    It can be differentiated twice. Products of table and matrix are in the dtype of the inputs; logits,
    softmax and the sums along a table's rows in float32.

    Args:
        queries: [N, Q, C].
        keys: [N, K, C].
        values: [N, K, D].

    Returns:
        [N, Q, D] in the dtype of the inputs.
    """
    mean_value = tf.stop_gradient(_mean(values))
    return _attend(queries, keys - tf.stop_gradient(_mean(keys)), values - mean_value) + mean_value


@tf.custom_gradient
def _attend(queries: tf.Tensor, keys: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
    """`attend` of keys and values that are small in the mean.

    With q, k, v the inputs, * the elementwise product and rows() sums along the keys,

        P = softmax(q k^T),  o = P v.

    The first derivative, for an upstream gradient u, keeps P and computes

        D = P * (u v^T - rows(u * o)),
        dq = D k,  dk = D^T q,  dv = P^T u,

    since rows(P * (u v^T)) = rows(u * o). The second derivative is that of dq, dk and dv; see `_second`.
    """
    logits = tf.matmul(_float32(queries), _float32(keys), transpose_b=True)
    weights = tf.cast(tf.nn.softmax(logits), queries.dtype)
    outputs = tf.matmul(weights, values)

    def gradient(upstream: tf.Tensor) -> Gradients:
        return _first(weights, outputs)(queries, keys, values, upstream)

    return outputs, gradient


def _first(weights: tf.Tensor, outputs: tf.Tensor) -> Callable[..., Gradients]:
    """The first derivative of `attend`, given its weights P [N, Q, K] and outputs o, as a function."""

    @tf.custom_gradient
    def first(queries: tf.Tensor, keys: tf.Tensor, values: tf.Tensor, upstream: tf.Tensor) -> Gradients:
        slopes = weights * _product_minus(upstream, values, _rows(upstream, outputs))
        gradients = (
            _times(slopes, keys),
            _transposed_times(slopes, queries),
            _transposed_times(weights, upstream),
        )

        def gradient(*seconds: tf.Tensor) -> Gradients:
            # The tables are constants to whoever would differentiate once more, and the result wrong.
            return tuple(
                tf.raw_ops.PreventGradient(input=second, message="self-attention has no third derivative")
                for second in _second(weights, slopes, (queries, keys, values, upstream), seconds)
            )

        return gradients, gradient

    return first


def _second(weights: tf.Tensor, slopes: tf.Tensor, inputs: Gradients, seconds: Gradients) -> Gradients:
    """The gradient of <a, dq> + <b, dk> + <c, dv>, of the names in `_attend`.

    With T = a k^T + q b^T, of which <a, dq> + <b, dk> is the sum of D * T,

        A = P * (T - rows(P * T)),
        w = A v + P c,                                           the gradient by u,
        B = D * (T - rows(P * T)) + P * (u c^T - rows(u * w)),   that by the logits,
        B k + D b,  B^T q + D^T a,  A^T u                        those by q, k and v,

    where rows(P * T) = rows(a * (P k) + q * (P b)). As the rows of D sum to 0 and those of P to 1, b and the
    c of B may be taken without their means, as keys and values are.

    Args:
        weights: P, [N, Q, K].
        slopes: D, [N, Q, K].
        inputs: q, k, v and u.
        seconds: a, b and c, the upstream gradients of dq, dk and dv.

    Returns:
        The gradients by q, k, v and u.
    """
    queries, keys, values, upstream = inputs
    by_queries, by_keys, by_values = seconds
    mean_by_value = _mean(by_values)
    by_keys, by_values = by_keys - _mean(by_keys), by_values - mean_by_value
    averages = tf.matmul(weights, tf.concat([keys, by_keys, by_values], axis=-1))
    of_keys, of_by_keys, of_by_values = tf.split(
        averages, [x.shape[-1] for x in (keys, keys, values)], axis=-1
    )
    logits = _product_minus(
        tf.concat([by_queries, queries], axis=-1),
        tf.concat([keys, by_keys], axis=-1),
        _rows(by_queries, of_keys) + _rows(queries, of_by_keys),
    )
    tangents = weights * logits
    by_upstream = tf.matmul(tangents, values) + of_by_values
    curvatures = slopes * logits + weights * _product_minus(upstream, by_values, _rows(upstream, by_upstream))
    return (
        _times(curvatures, keys) + _times(slopes, by_keys),
        _transposed_times(curvatures, queries) + _transposed_times(slopes, by_queries),
        _transposed_times(tangents, upstream),
        by_upstream + mean_by_value,
    )


def _mean(inputs: tf.Tensor) -> tf.Tensor:
    """The mean over the keys, [N, K, C] -> [N, 1, C] in the dtype of the inputs."""
    return tf.cast(tf.reduce_mean(_float32(inputs), axis=1, keepdims=True), inputs.dtype)


def _float32(inputs: tf.Tensor) -> tf.Tensor:
    return tf.cast(inputs, tf.float32)


def _rows(left: tf.Tensor, right: tf.Tensor) -> tf.Tensor:
    """Products row by row, in float32: [N, Q, C] and [N, Q, C] -> [N, Q, 1]."""
    return tf.reduce_sum(_float32(left) * _float32(right), axis=-1, keepdims=True)


def _product_minus(left: tf.Tensor, right: tf.Tensor, row: tf.Tensor) -> tf.Tensor:
    """Subtracts in a product, left right^T - row: [N, Q, C], [N, K, C] and float32 [N, Q, 1] -> [N, Q, K].

    The subtraction is part of the product, as one more column: it costs no pass over the table, and what is
    rounded is the difference, which is often small, and not the product before it.
    """
    return tf.matmul(
        tf.concat([left, -tf.cast(row, left.dtype)], axis=-1),
        tf.concat([right, tf.ones_like(right[..., :1])], axis=-1),
        transpose_b=True,
    )


def _times(table: tf.Tensor, right: tf.Tensor) -> tf.Tensor:
    """The product table right: [N, Q, K] and [N, K, C] -> [N, Q, C].

    As (right^T table^T)^T, which for few channels is faster on a CPU.
    """
    return tf.linalg.matrix_transpose(tf.matmul(right, table, transpose_a=True, transpose_b=True))


def _transposed_times(table: tf.Tensor, right: tf.Tensor) -> tf.Tensor:
    """The product table^T right: [N, Q, K] and [N, Q, C] -> [N, K, C].

    As (right^T table)^T, which is faster on a CPU.
    """
    return tf.linalg.matrix_transpose(tf.matmul(right, table, transpose_a=True))
