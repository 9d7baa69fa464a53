import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from mrisynth.data.labels import Label, LabelKind, LabelSchema
from mrisynth.data.samples import Samples
from mrisynth.layers.base import tensorflow_variable
from mrisynth.networks import NetworkConfig
from mrisynth.training import GrowthSchedule, OptimizationConfig, augmentation
from mrisynth.training.config import Loss
from mrisynth.training.schedule import PhaseKind
from mrisynth.training.state import TrainingState
from mrisynth.training.stateless_rng import Purpose, StatelessRng
from mrisynth.training.train_step import blend_real, make_train_step
from tests.training.weights import assert_equal_weights, weights

NETWORK = NetworkConfig(resolution=8, latent_size=8, fmap_base=32, fmap_max=8, attention_discriminator=(8,))
SCHEDULE = GrowthSchedule(
    resolution=8, fade_images=64, stable_images=64, total_iterations=0, batch_sizes={4: 8, 8: 8}
)
FADE, STABLE = SCHEDULE.phases[1:3]
IMAGES = tf.random.stateless_uniform([8, 8, 8, 1], seed=[1, 1], minval=-1.0)
SCHEMA = LabelSchema(
    (
        Label("suffix", LabelKind.CATEGORICAL, vocabulary=("FLAIR", "T1w")),
        Label("age", LabelKind.CONTINUOUS, mean=50.0, deviation=10.0),
    )
)
AGES = {"suffix": ["FLAIR", "T1w"] * 4, "age": [20, 30, 40, 50, 60, 70, 80, "n/a"]}


def unlabeled(images):
    return Samples(images, tf.zeros([len(images), 0]))


def train(strategy=None, steps=2, phase=STABLE, policy="float32", alpha=1.0, jit_compile=False):
    """State and metrics after a few steps on the same global batch."""
    strategy = strategy or tf.distribute.get_strategy()
    replicas = strategy.num_replicas_in_sync
    with strategy.scope():
        state = TrainingState(NETWORK, policy, seed=3)
    state.start_phase(1e-3, resets_optimizers=True)
    step = make_train_step(state, strategy, phase, OptimizationConfig(seed=3), jit_compile)

    def share(context):
        return unlabeled(IMAGES[context.replica_id_in_sync_group :: replicas])

    whole = unlabeled(IMAGES)
    for _ in range(steps):
        samples = strategy.experimental_distribute_values_from_function(share) if replicas > 1 else whole
        metrics = step(samples, tf.constant(alpha))
    return state, {name: float(value) for name, value in metrics.items()}


def take_step(state, phase=STABLE, images=IMAGES, config=None, strategy=None, labels=None, **due):
    strategy = strategy or tf.distribute.get_strategy()
    step = make_train_step(state, strategy, phase, config or OptimizationConfig(seed=3))
    if not isinstance(images, Samples):
        images = unlabeled(images) if labels is None else Samples(images, labels)
    metrics = step(images, tf.constant(1.0), **due)
    return {name: float(value) for name, value in metrics.items()}


def named(network):
    return {name: variable.numpy() for name, variable in network.named_variables().items()}


@pytest.mark.both_stacks
@pytest.mark.parametrize(("phase", "alpha"), [(STABLE, 1.0), (FADE, 0.3)])
def test_two_replicas_do_what_one_device_does(two_replicas, phase, alpha):
    one, one_metrics = train(phase=phase, alpha=alpha)
    two, two_metrics = train(two_replicas, phase=phase, alpha=alpha)
    assert one_metrics == pytest.approx(two_metrics, rel=1e-4, abs=1e-5)
    expected = weights(one)
    for name, value in weights(two).items():
        np.testing.assert_allclose(value, expected[name], atol=2e-5, err_msg=name)


def test_same_seed_same_bits():
    first, _ = train()
    second, _ = train()
    assert_equal_weights(first, weights(second))


def test_metrics_are_the_losses_of_the_definition():
    state = TrainingState(NETWORK, "float32", seed=3)

    @tf.function
    def by_hand():
        latents = StatelessRng(3).normal(Purpose.DISCRIMINATOR_LATENTS, [8, 8])
        mix = StatelessRng(3).uniform(Purpose.PENALTY_MIX, [8])[:, None, None, None]
        generated = state.generator(latents, level=1)
        real_scores = state.discriminator(IMAGES, level=1)
        generated_scores = state.discriminator(generated, level=1)
        with tf.GradientTape() as tape:
            between = (1 - mix) * IMAGES + mix * generated
            tape.watch(between)
            scores = state.discriminator(between, level=1)
        norm = tf.norm(tf.reshape(tape.gradient(scores, between), [8, -1]), axis=1)
        loss = generated_scores - real_scores + 10 * (norm - 1) ** 2 + 1e-3 * real_scores**2
        return tf.reduce_mean(loss), tf.reduce_mean(norm), tf.reduce_mean(real_scores - generated_scores)

    loss, norm, distance = (float(value) for value in by_hand())
    _, metrics = train(steps=1)
    assert metrics["loss/discriminator"] == pytest.approx(loss, rel=1e-5)
    assert metrics["critic_gradient_norm"] == pytest.approx(norm, rel=1e-5)
    assert metrics["score_difference"] == pytest.approx(distance, rel=1e-5)


def test_metrics_of_the_non_saturating_loss_are_of_its_definition():
    state = TrainingState(NETWORK, "float32", seed=3)

    @tf.function
    def by_hand():
        latents = StatelessRng(3).normal(Purpose.DISCRIMINATOR_LATENTS, [8, 8])
        with tf.GradientTape() as tape:
            tape.watch(IMAGES)
            real_scores = state.discriminator(IMAGES, level=1)
        squares = tf.reduce_sum(tf.square(tape.gradient(real_scores, IMAGES)), axis=[1, 2, 3])
        generated_scores = state.discriminator(state.generator(latents, level=1), level=1)
        entropy = -tf.math.log_sigmoid(real_scores) - tf.math.log_sigmoid(-generated_scores)
        return tf.reduce_mean(entropy + 3 * squares), tf.reduce_mean(squares)

    loss, penalty = (float(value) for value in by_hand())
    metrics = take_step(state, config=OptimizationConfig(seed=3, loss="non_saturating", gradient_penalty=3.0))
    assert metrics["loss/discriminator"] == pytest.approx(loss, rel=1e-5)
    assert metrics["gradient_penalty"] == pytest.approx(penalty, rel=1e-4)


def test_penalty_counts_the_levels_to_come():
    def norm_at_4(top):
        network = NetworkConfig(resolution=top, latent_size=8, fmap_base=32, fmap_max=8)
        state = TrainingState(network, "float32", seed=3)
        for name, variable in state.discriminator.named_variables().items():
            variable.assign(0.1 * tf.ones_like(variable) if "kernel" in name else tf.zeros_like(variable))
        step = make_train_step(state, tf.distribute.get_strategy(), SCHEDULE.phases[0], OptimizationConfig())
        return float(step(unlabeled(IMAGES[:, :4, :4]), tf.constant(1.0))["critic_gradient_norm"])

    # Both discriminators are the same at 4x4 and nearly linear; the generators, and so the points at which
    # the gradient is taken, are not.
    assert norm_at_4(16) == pytest.approx(norm_at_4(4) / 4, rel=0.2)


@pytest.mark.slow
@pytest.mark.both_stacks
@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_the_step_compiles_under_xla(policy):
    _, plain = train(phase=FADE, alpha=0.3, policy=policy, steps=1)
    _, compiled = train(phase=FADE, alpha=0.3, policy=policy, steps=1, jit_compile=True)
    tolerance = 1e-4 if policy == "float32" else 0.05
    assert compiled == pytest.approx(plain, rel=tolerance, abs=tolerance)


def test_bfloat16_trains_like_float32():
    _, full = train(steps=1)
    state, mixed = train(steps=1, policy="mixed_bfloat16")
    # bfloat16 keeps eight bits, a relative error of 0.004 at every operation.
    assert mixed == pytest.approx(full, rel=0.03, abs=0.05)
    assert all(value.dtype == np.float32 for value in weights(state).values())


@pytest.mark.parametrize(("given", "rate"), [({}, 0.001), ({"average_rate": 0.25}, 0.25)])
def test_average_follows_the_generator(given, rate):
    start, state = (TrainingState(NETWORK, "float32", seed=3) for _ in range(2))
    for average, weight in start.averaged_pairs(STABLE.level, False):
        np.testing.assert_array_equal(average, weight)
    take_step(state, **given)
    for (average, weight), (_, before) in zip(
        state.averaged_pairs(STABLE.level, False), start.averaged_pairs(STABLE.level, False), strict=True
    ):
        expected = (1 - rate) * before.numpy() + rate * weight.numpy()
        np.testing.assert_allclose(average, expected, rtol=1e-5, atol=1e-7)


def test_first_step_of_adam_moves_by_the_learning_rate():
    # With beta1 0 the first step is g / sqrt(g^2) times the rate, wherever the gradient is not tiny.
    start = TrainingState(NETWORK, "float32", seed=3)
    state, _ = train(steps=1)
    name = "block_4/02_kernel"
    moved = state.generator.named_variables()[name] - start.generator.named_variables()[name]
    np.testing.assert_allclose(np.median(np.abs(moved)), 1e-3, rtol=0.02)


def changes(state, act):
    """Which of both networks, their optimizers and the average an action changes."""

    def all_parts():
        return {
            "discriminator": named(state.discriminator).values(),
            "generator": named(state.generator).values(),
            "average": named(state.average).values(),
            "discriminator_optimizer": [v.numpy() for v in state.discriminator_optimizer.state_variables()],
            "generator_optimizer": [v.numpy() for v in state.generator_optimizer.state_variables()],
        }

    before = all_parts()
    result = act()
    after = all_parts()
    changed = {
        name
        for name, values in after.items()
        if any(not np.array_equal(a, b) for a, b in zip(values, before[name], strict=True))
    }
    return changed, result


GENERATOR_PARTS = {"generator", "generator_optimizer", "average"}
DISCRIMINATOR_PARTS = {"discriminator", "discriminator_optimizer"}


@pytest.mark.both_stacks
def test_gradients_that_are_not_finite_move_nothing_and_are_counted():
    state = TrainingState(NETWORK, "float32", seed=3)
    bad = tf.concat([IMAGES[:7], np.nan * IMAGES[7:]], axis=0)
    for count in (1, 2):
        changed, metrics = changes(state, lambda: take_step(state, images=bad))
        # The generator does not see real images, and goes on.
        assert changed == GENERATOR_PARTS
        assert np.isnan(metrics["loss/discriminator"])
        assert np.isfinite(metrics["gradient_norm/generator"])
        assert int(state.skipped) == int(state.iteration) == count
        assert state.skipped_in_a_row.numpy().tolist() == [count, 0, 0]
    changed, _ = changes(state, lambda: take_step(state))
    assert changed == GENERATOR_PARTS | DISCRIMINATOR_PARTS
    assert (int(state.skipped), int(state.iteration)) == (2, 3)
    assert not state.is_skipping()


def test_a_kind_of_step_that_is_not_due_does_not_count_as_good():
    state = TrainingState(NETWORK, "float32", seed=3)
    bad = np.nan * IMAGES
    take_step(state, images=bad)
    take_step(state, penalizes=False, generates=False)
    assert state.skipped_in_a_row.numpy().tolist() == [1, 0, 0]
    take_step(state, images=bad, penalizes=False)
    assert state.skipped_in_a_row.numpy().tolist() == [1, 1, 0]
    take_step(state)
    assert state.skipped_in_a_row.numpy().tolist() == [0, 1, 0]


@pytest.mark.both_stacks
def test_one_bad_replica_holds_all_of_them_back(two_replicas):
    with two_replicas.scope():
        state = TrainingState(NETWORK, "float32", seed=3)

    def share(context):
        return unlabeled(np.nan * IMAGES[:4] if context.replica_id_in_sync_group else IMAGES[:4])

    images = two_replicas.experimental_distribute_values_from_function(share)
    changed, _ = changes(state, lambda: take_step(state, images=images, strategy=two_replicas))
    assert changed == GENERATOR_PARTS
    assert state.skipped.numpy() == 1


def test_a_step_without_the_generator_leaves_it_alone():
    state = TrainingState(NETWORK, "float32", seed=3)
    changed, metrics = changes(state, lambda: take_step(state, generates=False))
    assert changed == DISCRIMINATOR_PARTS
    assert "loss/generator" not in metrics


def test_the_penalty_of_every_third_step_is_three_times_as_heavy():
    def loss(penalizes, interval):
        state = TrainingState(NETWORK, "float32", seed=3)
        config = OptimizationConfig(seed=3, gp_interval=interval)
        return take_step(state, config=config, penalizes=penalizes)

    without, once, thrice = loss(False, 3), loss(True, 1), loss(True, 3)
    assert "gradient_penalty" not in without
    rest = without["loss/discriminator_without_penalty"]
    assert once["loss/discriminator"] - rest == pytest.approx(10 * once["gradient_penalty"], rel=1e-4)
    assert thrice["loss/discriminator"] - rest == pytest.approx(30 * once["gradient_penalty"], rel=1e-4)


def test_differentiable_augmentation_changes_real_and_generated_images_alike(monkeypatch):
    seen = []
    monkeypatch.setattr(augmentation, "augment", lambda images, uniform: seen.append(uniform) or images)
    plain, augmented = (TrainingState(NETWORK, "float32", seed=3) for _ in range(2))
    expected = take_step(plain)
    config = OptimizationConfig(seed=3, augment="diffaug")
    assert take_step(augmented, config=config) == pytest.approx(expected, rel=1e-5)
    # Real and generated for the discriminator, generated for the generator, each with draws of its own.
    assert [tuple(uniform.shape) for uniform in seen] == [(8, augmentation.draws_per_image(2))] * 3
    monkeypatch.undo()
    assert take_step(TrainingState(NETWORK, "float32", seed=3), config=config) != pytest.approx(
        expected, rel=0.01
    )


def test_gradient_norms_are_those_of_the_global_batch(two_replicas):
    _, one = train(steps=1)
    _, two = train(two_replicas, steps=1)
    for name in ("gradient_norm/discriminator", "gradient_norm/generator"):
        assert one[name] > 0
        assert two[name] == pytest.approx(one[name], rel=1e-4)


def test_levels_to_come_are_left_alone():
    schedule_4 = SCHEDULE.phases[0]
    before = TrainingState(NETWORK, "float32", seed=3)
    state = TrainingState(NETWORK, "float32", seed=3)
    step = make_train_step(state, tf.distribute.get_strategy(), schedule_4, OptimizationConfig())
    step(unlabeled(IMAGES[:, :4, :4]), tf.constant(1.0))
    active = {id(tensorflow_variable(v)) for v in state.generator.trainable_variables_at(0, False)}
    for name, variable in state.generator.named_variables().items():
        unchanged = np.array_equal(variable, before.generator.named_variables()[name])
        assert unchanged == (id(variable) not in active)


ALL_KNOWN = OptimizationConfig(seed=3, label_dropping=0.0)


def labeled_state():
    """A state with labels whose layers, which start at zero, have been trained a little."""
    state = TrainingState(NETWORK, "float32", seed=3, label_schema=SCHEMA)
    for network in (state.generator, state.discriminator):
        for layer in network.label_layers:
            for number, variable in enumerate(layer.trainable_variables):
                noise = tf.random.stateless_normal(variable.shape, [5, number])
                tensorflow_variable(variable).assign_add(noise)
    return state


@pytest.fixture
def conditional():
    return labeled_state()


def test_labels_that_nobody_knows_change_nothing():
    plain = TrainingState(NETWORK, "float32", seed=3)
    conditional = TrainingState(NETWORK, "float32", seed=3, label_schema=SCHEMA)
    shared = conditional.discriminator.named_variables()
    for name, variable in plain.discriminator.named_variables().items():
        tensorflow_variable(shared[name]).assign(variable)
    expected = take_step(plain, generates=False)
    metrics = take_step(conditional, labels=tf.zeros([8, SCHEMA.width]), generates=False)
    assert metrics["scores/real"] == pytest.approx(expected["scores/real"], rel=1e-6)


def test_generated_and_mixed_images_carry_the_labels_of_the_real_ones(conditional):
    labels = tf.constant(SCHEMA.encode(AGES, 8))

    @tf.function
    def by_hand():
        latents = StatelessRng(3).normal(Purpose.DISCRIMINATOR_LATENTS, [8, 8])
        mix = StatelessRng(3).uniform(Purpose.PENALTY_MIX, [8])[:, None, None, None]
        generated = conditional.generator(latents, level=1, labels=labels)
        with tf.GradientTape() as tape:
            between = (1 - mix) * IMAGES + mix * generated
            tape.watch(between)
            scores = conditional.discriminator(between, level=1, labels=labels)
        norm = tf.norm(tf.reshape(tape.gradient(scores, between), [8, -1]), axis=1)
        return {
            "scores/real": tf.reduce_mean(conditional.discriminator(IMAGES, level=1, labels=labels)),
            "scores/generated": tf.reduce_mean(conditional.discriminator(generated, level=1, labels=labels)),
            "critic_gradient_norm": tf.reduce_mean(norm),
        }

    expected = by_hand()
    metrics = take_step(conditional, labels=labels, config=ALL_KNOWN)
    for name, value in expected.items():
        assert metrics[name] == pytest.approx(float(value), rel=1e-4), name


def test_hidden_labels_and_labels_without_weight_change_no_score():
    labels = tf.constant(SCHEMA.encode(AGES, 8))
    hidden = OptimizationConfig(seed=3, label_dropping=0.999)

    def score(labels, config=ALL_KNOWN, **due):
        return take_step(labeled_state(), config=config, labels=labels, generates=False, **due)["scores/real"]

    unknown = score(0 * labels)
    assert score(labels, hidden) == unknown
    assert score(labels, label_weight=tf.constant(0.0)) == pytest.approx(unknown, rel=1e-6)
    assert score(labels) != pytest.approx(unknown, rel=1e-2)


def test_a_step_moves_what_takes_labels(conditional):
    before = named(conditional.generator), named(conditional.discriminator), named(conditional.average)
    take_step(conditional, config=ALL_KNOWN, labels=tf.constant(SCHEMA.encode(AGES, 8)))
    after = named(conditional.generator), named(conditional.discriminator), named(conditional.average)
    plain = TrainingState(NETWORK, "float32", seed=3)
    for old, new, network in zip(before, after, (plain.generator, plain.discriminator, None), strict=True):
        known = named(network or plain.average)
        of_labels = [name for name in new if name not in known]
        assert of_labels
        assert any(not np.array_equal(new[name], old[name]) for name in of_labels)


@pytest.mark.both_stacks
def test_two_replicas_share_labels_as_they_share_images(two_replicas):
    labels = tf.constant(SCHEMA.encode(AGES, 8))
    one = TrainingState(NETWORK, "float32", seed=3, label_schema=SCHEMA)
    with two_replicas.scope():
        two = TrainingState(NETWORK, "float32", seed=3, label_schema=SCHEMA)

    def share(context):
        first = context.replica_id_in_sync_group
        return Samples(IMAGES[first::2], labels[first::2])

    # Images are never 10 apart, so that all pairs are too near, whichever replica they are on.
    expected = take_step(one, labels=labels, wanted_distance=tf.constant(10.0))
    samples = two_replicas.experimental_distribute_values_from_function(share)
    metrics = take_step(two, images=samples, strategy=two_replicas, wanted_distance=tf.constant(10.0))
    assert 0.5 < metrics["missing_diversity"] < 1.0
    assert metrics == pytest.approx(expected, rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("weight", [0.0, 4.0])
def test_a_step_drives_images_of_the_same_labels_apart(weight):
    labels = tf.constant(SCHEMA.encode(AGES, 8))
    config = OptimizationConfig(seed=3, label_dropping=0.0, diversity=weight)
    state = labeled_state()
    metrics = take_step(state, config=config, labels=labels, wanted_distance=tf.constant(10.0))
    assert ("missing_diversity" in metrics) == bool(weight)
    # The gradients, of one step from the same weights, differ by those of the term.
    plain = take_step(labeled_state(), config=config, labels=labels)
    moved = metrics["gradient_norm/generator"] != pytest.approx(plain["gradient_norm/generator"], rel=1e-3)
    assert moved == bool(weight)


@pytest.mark.parametrize("loss", Loss)
def test_the_discriminator_learns_of_wrong_labels_as_far_as_labels_count(loss):
    labels = tf.constant(SCHEMA.encode(AGES, 8))
    norms = {}
    for weight in (0.0, 1.0):
        config = OptimizationConfig(loss=loss, seed=3, label_dropping=0.0, wrong_labels=weight)
        for label_weight in (0.0, 1.0):
            metrics = take_step(
                labeled_state(), config=config, labels=labels, label_weight=tf.constant(label_weight)
            )
            assert ("wrong_labels" in metrics) == bool(weight)
            norms[weight, label_weight] = metrics["gradient_norm/discriminator"]
    assert norms[1.0, 0.0] == norms[0.0, 0.0]
    assert norms[1.0, 1.0] != pytest.approx(norms[0.0, 1.0], rel=1e-3)


@pytest.mark.parametrize(("kind", "counts"), [(PhaseKind.STABLE, 0), (PhaseKind.FINETUNE, 1)])
def test_wrong_labels_weigh_what_their_own_flag_says_while_fine_tuning(kind, counts):
    labels = tf.constant(SCHEMA.encode(AGES, 8))
    found = {}
    for given in ((0.0, 0.0), (0.0, 2.0), (2.0, 0.0)):
        config = OptimizationConfig(seed=3, wrong_labels=given[0], finetune_wrong_labels=given[1])
        metrics = take_step(
            labeled_state(), dataclasses.replace(STABLE, kind=kind), config=config, labels=labels
        )
        assert ("wrong_labels" in metrics) == bool(given[counts])
        added = given[counts] * metrics.get("wrong_labels", 0.0)
        found[given] = metrics["loss/discriminator"] - added
    assert list(found.values()) == pytest.approx([found[0.0, 0.0]] * 3, rel=1e-4)


def test_wrong_labels_teach_the_discriminator_which_image_is_whose():
    schema = LabelSchema((Label("color", LabelKind.CATEGORICAL, ("black", "white")),))
    labels = schema.encode({"color": ["black", "white"] * 2 + ["white", "black"] * 2}, 8)
    images = tf.reshape(1.0 - 2.0 * labels[:, 0], [8, 1, 1, 1]) * tf.ones([8, 8, 8, 1])
    state = TrainingState(NETWORK, "float32", seed=3, label_schema=schema)
    state.start_phase(1e-2, resets_optimizers=True)
    config = OptimizationConfig(loss=Loss.NON_SATURATING, seed=3, label_dropping=0.0, wrong_labels=1.0)
    step = make_train_step(state, tf.distribute.get_strategy(), STABLE, config)
    samples = Samples(images, tf.constant(labels))
    found = [step(samples, tf.constant(1.0)) for _ in range(40)]
    assert found[-1]["wrong_labels"] < 0.5 * found[0]["wrong_labels"]
    right = state.discriminator(images, level=1, labels=labels)
    assert np.all(right > state.discriminator(images, level=1, labels=labels[:, [1, 0, 2]]))


def test_blended_real_images():
    images = tf.reshape(tf.constant([0.0, 4.0, 8.0, 12.0]), [1, 2, 2, 1])
    np.testing.assert_array_equal(blend_real(images, 0.0)[0, :, :, 0], [[6, 6], [6, 6]])
    np.testing.assert_array_equal(blend_real(images, 0.5)[0, :, :, 0], [[3, 5], [7, 9]])
    np.testing.assert_array_equal(blend_real(images, 1.0), images)
