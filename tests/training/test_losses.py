import numpy as np
import pytest
import tensorflow as tf

from mrisynth.training import losses

WASSERSTEIN = losses.Wasserstein(drift=0.001)
NON_SATURATING = losses.NonSaturating()


def test_linear_critic_has_the_penalties_computed_by_hand():
    # D(x) = <w, x> has gradient w everywhere: norm 5, penalty (5 - 1)^2, R1 5^2.
    weights = tf.reshape(tf.constant([3.0, 0.0, 0.0, 4.0]), [1, 2, 2, 1])
    images = tf.random.stateless_normal([3, 2, 2, 1], seed=[1, 1])
    norm = losses.critic_gradient_norm(lambda x: tf.reduce_sum(weights * x, axis=(1, 2, 3)), images)
    np.testing.assert_allclose(norm, [5, 5, 5], rtol=1e-6)
    np.testing.assert_allclose(WASSERSTEIN.penalty(norm), [16, 16, 16], rtol=1e-6)
    np.testing.assert_allclose(NON_SATURATING.penalty(norm), [25, 25, 25], rtol=1e-6)


@pytest.mark.parametrize("rank", [2, 3])
@pytest.mark.parametrize("levels_to_come", [0, 1, 2])
def test_norm_is_that_of_the_full_size_image_with_replicated_pixels(levels_to_come, rank):
    generator = np.random.default_rng(1)
    weights = tf.constant(generator.normal(size=(1, *[4] * rank, 1)).astype(np.float32))

    def critic(images):
        return tf.reduce_sum(weights * images, axis=range(1, rank + 2))

    factor = 2**levels_to_come
    full = tf.ones([1, *[4 * factor] * rank, 1])
    with tf.GradientTape() as tape:
        tape.watch(full)
        layout = {2: "NHWC", 3: "NDHWC"}[rank]
        score = critic(tf.nn.avg_pool(full, factor, factor, "VALID", data_format=layout))
    expected = tf.norm(tape.gradient(score, full))
    norm = losses.critic_gradient_norm(critic, tf.ones([1, *[4] * rank, 1]), levels_to_come)
    np.testing.assert_allclose(norm, [expected], rtol=1e-5)


def test_norm_has_a_derivative_where_the_critic_ignores_its_input():
    weight = tf.Variable(0.0)
    images = tf.ones([2, 2, 2, 1])
    with tf.GradientTape() as tape:
        norm = losses.critic_gradient_norm(lambda x: weight * tf.reduce_sum(x, axis=(1, 2, 3)), images)
        penalty = tf.reduce_sum(WASSERSTEIN.penalty(norm))
    assert np.isfinite(tape.gradient(penalty, weight))


def test_interpolation_is_one_point_a_sample():
    real, generated = tf.zeros([3, 2, 2, 1]), 4 * tf.ones([3, 2, 2, 1])
    points = losses.interpolate(real, generated, tf.constant([0.0, 0.25, 1.0]))
    np.testing.assert_array_equal(points[:, 0, 0, 0], [0, 1, 4])
    np.testing.assert_array_equal(tf.math.reduce_std(points, axis=(1, 2, 3)), [0, 0, 0])


def test_wasserstein_losses_by_hand():
    loss = WASSERSTEIN.discriminator(tf.constant([2.0]), tf.constant([-1.0]))
    np.testing.assert_allclose(loss, [-1 - 2 + 0.004], rtol=1e-6)
    np.testing.assert_array_equal(WASSERSTEIN.generator(tf.constant([3.0])), [-3.0])
    np.testing.assert_array_equal(WASSERSTEIN.wrong_label(tf.constant([3.0]), tf.constant([1.0])), [-2.0])


def test_non_saturating_losses_are_cross_entropies():
    scores = tf.constant([-3.0, 0.0, 2.0])
    real, generated = (-np.log(1 / (1 + np.exp(-sign * scores))) for sign in (1, -1))
    np.testing.assert_allclose(
        NON_SATURATING.discriminator(scores, scores[::-1]), real + generated[::-1], rtol=1e-6
    )
    np.testing.assert_allclose(NON_SATURATING.generator(scores), real, rtol=1e-6)
    np.testing.assert_allclose(NON_SATURATING.wrong_label(scores[::-1], scores), generated, rtol=1e-6)
    # However sure the discriminator is, the generator still learns.
    with tf.GradientTape() as tape:
        tape.watch(scores := tf.constant([-50.0]))
        loss = NON_SATURATING.generator(scores)
    np.testing.assert_allclose(tape.gradient(loss, scores), [-1.0])


def test_where_gradients_are_penalized():
    real, generated, mix = tf.zeros([2, 2, 2, 1]), tf.ones([2, 2, 2, 1]), tf.constant([0.25, 1.0])
    between = WASSERSTEIN.penalized(real, generated, mix)
    np.testing.assert_array_equal(between[:, 0, 0, 0], [0.25, 1.0])
    np.testing.assert_array_equal(NON_SATURATING.penalized(real, generated, mix), real)
