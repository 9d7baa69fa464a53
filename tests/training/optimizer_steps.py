"""Steps of an optimizer on two small variables, with gradients that follow from a seed."""

import tensorflow as tf


def gradients(seed):
    return [
        tf.random.stateless_normal([3, 2], [seed, 0]),
        # Small and large gradients move a weight by about as much.
        1e-3 * tf.random.stateless_normal([4], [seed, 1]),
    ]


def variables():
    return [tf.Variable(tf.ones([3, 2])), tf.Variable(tf.zeros([4]))]


def steps(optimizer, moved, seeds, strategy=None):
    strategy = strategy or tf.distribute.get_strategy()

    @tf.function
    def step(seed):
        shares = strategy.run(lambda: gradients(seed))
        optimizer.apply(strategy, shares, moved)

    for seed in seeds:
        step(tf.constant(seed))
    return [variable.numpy() for variable in moved]
