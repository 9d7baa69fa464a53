import numpy as np
import tensorflow as tf

from mrisynth.training.stateless_rng import Purpose, StatelessRng


def test_draws_depend_on_seed_iteration_attempt_and_purpose_alone():
    latents, grid = Purpose.GENERATOR_LATENTS, Purpose.GRID_LATENTS
    base = StatelessRng(1, 5).normal(latents, [4, 3])
    np.testing.assert_array_equal(StatelessRng(1, tf.constant(5, tf.int64)).normal(latents, [4, 3]), base)
    for other in (StatelessRng(2, 5), StatelessRng(1, 6), StatelessRng(1, 5, attempt=1)):
        assert np.all(other.normal(latents, [4, 3]) != base)
    assert np.all(StatelessRng(1, 5).normal(grid, [4, 3]) != base)
    mix = StatelessRng(1).uniform(Purpose.PENALTY_MIX, [1000])
    assert 0 <= np.min(mix) < 0.01
    assert 0.99 < np.max(mix) < 1


def test_replicas_share_a_draw(two_replicas):
    def draw():
        return StatelessRng(1, 5).normal(Purpose.GENERATOR_LATENTS, [4, 3])

    shares = two_replicas.experimental_local_results(two_replicas.run(draw))
    np.testing.assert_array_equal(np.stack(shares, axis=1).reshape(4, 3), draw())
