"""The core of self-attention, softmax(q k^T) v, with hand-written first and second derivatives.

Differentiation would record some twenty passes over tables of queries by keys, which are far larger than
anything else in the networks, half of them in float32. Written by hand, every sum along a table's rows comes
from the small matrices instead, and what is left of the passes is products and a few multiplications.
"""

from __future__ import annotations

import tensorflow as tf

Gradients = tuple[tf.Tensor, ...]


@tf.custom_gradient
def attend(queries: tf.Tensor, keys: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
    """Every query's mean of the values, weighted by the softmax of its products with the keys.

    With q, k, v the inputs, * the elementwise product and rows() sums along the keys,

        P = softmax(q k^T),  o = P v.

    The first derivative, for an upstream gradient u, keeps P and computes

        D = P * (u v^T - rows(u * o)),
        dq = D k,  dk = D^T q,  dv = P^T u,

    since rows(P * (u v^T)) = rows(u * o). The second derivative is that of dq, dk and dv; see `_second`.
    There is no third.

    Products of table and matrix are in the dtype of the inputs; logits, softmax and row sums are in float32.

    Args:
        queries: [N, Q, C].
        keys: [N, K, C].
        values: [N, K, D].

    Returns:
        [N, Q, D] in the dtype of the inputs.
    """
    logits = tf.matmul(_float32(queries), _float32(keys), transpose_b=True)
    weights = tf.cast(tf.nn.softmax(logits), queries.dtype)
    outputs = tf.matmul(weights, values)

    def gradient(upstream: tf.Tensor) -> Gradients:
        return _first(weights, outputs)(queries, keys, values, upstream)

    return outputs, gradient


def _first(weights: tf.Tensor, outputs: tf.Tensor):
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
            return _second(weights, slopes, (queries, keys, values, upstream), seconds)

        return gradients, gradient

    return first


def _second(weights: tf.Tensor, slopes: tf.Tensor, inputs: Gradients, seconds: Gradients) -> Gradients:
    """The gradient of <a, dq> + <b, dk> + <c, dv>, of the names in `attend`.

    With T = a k^T + q b^T, on which D depends linearly, and rows() taken out wherever the softmax's
    derivative would subtract them,

        A  = P * (T - rows(P * T)),
        w  = A v + P c,                              the gradient by u
        B  = D * (T - rows(P * T)) + P * (u c^T - rows(u * w)),   that by the logits
        B k + D b,  B^T q + D^T a,  A^T u            those by q, k and v

    where rows(P * T) = rows(a * (P k) + q * (P b)).

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
    channels = keys.shape[-1]
    means = tf.matmul(weights, tf.concat([keys, by_keys, by_values], axis=-1))
    mean_keys, mean_by_keys, mean_by_values = tf.split(means, [channels, channels, values.shape[-1]], axis=-1)
    row_sums = _rows(by_queries, mean_keys) + _rows(queries, mean_by_keys)
    logits = _product_minus(
        tf.concat([by_queries, queries], axis=-1), tf.concat([keys, by_keys], axis=-1), row_sums
    )
    tangents = weights * logits
    by_upstream = tf.matmul(tangents, values) + mean_by_values
    curvatures = slopes * logits + weights * _product_minus(upstream, by_values, _rows(upstream, by_upstream))
    return (
        _times(curvatures, keys) + _times(slopes, by_keys),
        _transposed_times(curvatures, queries) + _transposed_times(slopes, by_queries),
        _transposed_times(tangents, upstream),
        by_upstream,
    )


def _float32(inputs: tf.Tensor) -> tf.Tensor:
    return tf.cast(inputs, tf.float32)


def _rows(left: tf.Tensor, right: tf.Tensor) -> tf.Tensor:
    """Products row by row, in float32: [N, Q, C] and [N, Q, C] -> [N, Q, 1]."""
    return tf.reduce_sum(_float32(left) * _float32(right), axis=-1, keepdims=True)


def _product_minus(left: tf.Tensor, right: tf.Tensor, row: tf.Tensor) -> tf.Tensor:
    """left right^T - row, [N, Q, C], [N, K, C] and float32 [N, Q, 1] -> [N, Q, K].

    The subtraction is part of the product, as further columns: in bfloat16 two, the second being what the
    first rounds off. So the difference, which is often small, is rounded once and not its terms.
    """
    high = tf.cast(row, left.dtype)
    columns = [high] if left.dtype == tf.float32 else [high, tf.cast(row - _float32(high), left.dtype)]
    ones = tf.ones_like(right[..., :1])
    return tf.matmul(
        tf.concat([left, *(-column for column in columns)], axis=-1),
        tf.concat([right, *(ones for _ in columns)], axis=-1),
        transpose_b=True,
    )


def _times(table: tf.Tensor, right: tf.Tensor) -> tf.Tensor:
    """table right, [N, Q, K] and [N, K, C] -> [N, Q, C]; as (right^T table^T)^T, faster for few channels."""
    return tf.linalg.matrix_transpose(tf.matmul(right, table, transpose_a=True, transpose_b=True))


def _transposed_times(table: tf.Tensor, right: tf.Tensor) -> tf.Tensor:
    """table^T right, [N, Q, K] and [N, Q, C] -> [N, K, C]; as (right^T table)^T, which is faster."""
    return tf.linalg.matrix_transpose(tf.matmul(right, table, transpose_a=True))
