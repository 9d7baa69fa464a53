"""What the generator and the discriminator share."""

import inspect
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from mrisynth.layers.base import tensorflow_variable
from mrisynth.networks import Discriminator, Generator
from mrisynth.networks.base import fade, is_one

pytestmark = pytest.mark.both_stacks

KINDS = pytest.mark.parametrize("kind", [Generator, Discriminator])
RANKS = pytest.mark.parametrize("rank", [2, 3])
TINY = {"resolution": 8, "fmap_base": 32, "fmap_max": 8, "latent_size": 6}


def count(variables):
    return sum(int(np.prod(variable.shape)) for variable in variables)


def draw_inputs(network):
    shape = (network.latent_size,)
    if isinstance(network, Discriminator):
        shape = (*network.space(network.top_level), network.channels)
    return tf.random.stateless_normal([4, *shape], seed=[3, 3])


def penalty_gradients(network, inputs, **arguments):
    """The outputs, and the gradient of a gradient penalty by every kernel."""
    with tf.GradientTape() as outer:
        with tf.GradientTape() as inner:
            inner.watch(inputs)
            outputs = network(inputs, **arguments)
        gradient = tf.cast(inner.gradient(outputs, inputs), tf.float32)
        penalty = tf.reduce_sum((tf.norm(tf.reshape(gradient, [len(inputs), -1]), axis=1) - 1) ** 2)
    kernels = [tensorflow_variable(v) for v in network.trainable_variables if len(v.shape) > 1]
    gradients = outer.gradient(penalty, kernels, unconnected_gradients=tf.UnconnectedGradients.ZERO)
    return outputs, tf.concat([tf.reshape(g, [-1]) for g in gradients], axis=0)


@pytest.mark.parametrize(("kind", "millions"), [(Generator, 23.04), (Discriminator, 23.05)])
def test_parameter_counts_at_full_size(kind, millions):
    network = kind(resolution=256)
    assert round(count(network.trainable_variables) / 1e6, 2) == millions


@pytest.mark.parametrize("conditional", [False, True], ids=["plain", "with labels"])
@pytest.mark.parametrize("fading", [False, True])
@pytest.mark.parametrize("level", [0, 1, 3])
def test_gradients_reach_exactly_what_a_level_uses(request, latents, labels, level, fading, conditional):
    prefix = "conditional_" if conditional else ""
    generator, discriminator = networks = [
        request.getfixturevalue(f"{prefix}{name}") for name in ("generator", "discriminator")
    ]
    arguments = {"alpha": tf.constant(0.5) if fading else 1.0}
    if conditional:
        arguments |= {"labels": labels, "label_weight": tf.constant(0.5)}
    with tf.GradientTape(persistent=True) as tape:
        score = tf.reduce_sum(discriminator(generator(latents, level, **arguments), level, **arguments))
    for network in networks:
        variables = network.trainable_variables
        expected = {id(variable) for variable in network.trainable_variables_at(level, fading)}
        gradients = tape.gradient(score, variables)
        reached = {id(v) for v, g in zip(variables, gradients, strict=True) if g is not None}
        assert reached == expected


def test_every_variable_is_reached_at_the_end(conditional_generator, conditional_discriminator):
    for network in (conditional_generator, conditional_discriminator):
        images = {id(v) for layer in network.image_layers[:-1] for v in layer.trainable_variables}
        last = {id(v) for v in network.trainable_variables_at(3, fading=False)}
        assert last | images == {id(v) for v in network.trainable_variables}
        assert len(network.named_variables()) == len(network.trainable_variables)


@RANKS
@KINDS
@pytest.mark.parametrize("bilinear", [False, True], ids=["nearest", "bilinear"])
def test_folded_network_equals_plain_one(bilinear, kind, rank):
    tf.keras.utils.set_random_seed(8)
    folded, plain = (
        kind(
            **TINY,
            rank=rank,
            attention_resolutions=(8,),
            fused_resampling=fused,
            bilinear_resampling=bilinear,
        )
        for fused in (True, False)
    )
    for network in (folded, plain):
        tensorflow_variable(network.attention_gammas()[8]).assign(0.5)
    plain.set_weights(folded.get_weights())
    inputs = draw_inputs(folded)
    for actual, expected in zip(
        *(tf.function(penalty_gradients)(network, inputs) for network in (folded, plain)), strict=True
    ):
        assert np.linalg.norm(actual - expected) < 1e-4 * np.linalg.norm(expected)


@RANKS
def test_noise_is_placed_by_what_is_learned_and_depends_on_the_latent_alone(rank):
    tf.keras.utils.set_random_seed(8)
    plain, noisy = (Generator(**TINY, rank=rank, noise_inputs=noise) for noise in (False, True))
    for name, variable in plain.named_variables().items():
        noisy.named_variables()[name].assign(variable)
    latents = draw_inputs(plain)
    images = plain(latents)
    np.testing.assert_array_equal(noisy(latents), images)
    added = noisy.named_variables().keys() - plain.named_variables().keys()
    assert added == {"block_8/04_strength"}
    noisy.named_variables()["block_8/04_strength"].assign(tf.ones(8))
    changed = noisy(latents)
    assert np.abs(changed - images).mean() > 0.1
    np.testing.assert_array_equal(noisy(latents, level=0), plain(latents, level=0))
    np.testing.assert_allclose(noisy(latents[2:]), changed[2:], atol=1e-5)
    np.testing.assert_allclose(noisy(2 * latents), changed, atol=1e-4)


@RANKS
@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16", "mixed_float16", "float16"])
def test_eager_gradient_penalty(rank, policy, schema, labels):
    tf.keras.utils.set_random_seed(9)
    sizes = {**TINY, "rank": rank, "attention_resolutions": (8,), "label_schema": schema, "dtype": policy}
    generator, discriminator = Generator(**sizes), Discriminator(**sizes)
    tensorflow_variable(discriminator.attention_gammas()[8]).assign(0.5)
    images = generator(draw_inputs(generator), labels=labels[:4])
    assert images.shape == (4, *[8] * rank, 1)
    scores, gradients = penalty_gradients(discriminator, images, alpha=tf.constant(0.5), labels=labels[:4])
    assert scores.dtype == images.dtype == tf.float32
    assert np.all(np.isfinite(gradients))
    assert np.any(gradients != 0)


def test_rank_makes_kernels_and_not_names():
    volumes = Discriminator(**TINY, rank=3)
    slices = Discriminator(**TINY)
    assert list(volumes.named_variables()) == list(slices.named_variables())
    assert volumes.blocks[1].convolution.kernel.shape == (3, 3, 3, 8, 8)
    assert volumes.blocks[0].dense.kernel.shape == (4**3 * 8, 8)
    with pytest.raises(ValueError, match="rank 2, for slices, or 3, for volumes, not 4"):
        Generator(**TINY, rank=4)


@KINDS
def test_configuration_makes_the_same_network(kind, schema):
    others = {"rank": 3, "label_schema": schema, "dtype": "mixed_bfloat16"}
    options = {"bilinear_resampling": True, "noise_inputs": True}
    network = kind(**TINY, attention_resolutions=(8,), **others, **options)
    for copy in (kind.from_config(network.get_config()), keras.models.clone_model(network)):
        assert copy.get_config() == network.get_config()
        assert copy.label_schema == schema
        assert copy.compute_dtype == "bfloat16"
        assert all(getattr(copy, name) for name in options)
        assert copy.named_variables().keys() == network.named_variables().keys()


@KINDS
def test_arguments_have_names_and_descriptions(kind):
    names = list(inspect.signature(kind).parameters)
    assert names == [
        *("resolution", "channels", "latent_size", "fmap_base", "fmap_max", "attention_resolutions"),
        *("fused_resampling", "bilinear_resampling", "noise_inputs", "rank", "label_schema", "kwargs"),
    ]
    assert all(f"        {name}: " in kind.__doc__ for name in names[:-1])
    call = list(inspect.signature(kind.call).parameters)[1:]
    assert all(f"        {name}: " in kind.__doc__ for name in call)


@KINDS
def test_calls_that_cannot_be_are_refused_in_one_sentence(kind, schema):
    network = kind(**TINY, label_schema=schema)
    inputs = draw_inputs(network)
    with pytest.raises(ValueError, match=r"^there is no level 9: .* resolution 8 has levels 0 to 1$"):
        network(inputs, level=9)
    shape = r"\[N, 6\]" if kind is Generator else r"\[N, 8, 8, 1\]"
    with pytest.raises(
        ValueError, match=rf"^inputs of the {kind.__name__} at level 1 .* {shape}, not \[4,.*\]$"
    ):
        network(inputs[..., None])
    with pytest.raises(ValueError, match=r"^labels have the shape \[N, 6\], not \[4, 2\]$"):
        network(inputs, labels=tf.zeros([4, 2]))


def test_attention_where_there_is_no_map_is_refused():
    with pytest.raises(ValueError, match="no maps of \\[64\\]"):
        Generator(**TINY, attention_resolutions=(64,))


@KINDS
def test_summary_and_export(kind, schema, labels, tmp_path):
    network = kind(**TINY, label_schema=schema)
    lines = []
    network.summary(print_fn=lambda line, *_, **__: lines.append(line))
    assert str(count(network.weights)) in "".join(lines).replace(",", "")
    network.export(tmp_path / "with labels")
    inputs = draw_inputs(network)
    loaded = tf.saved_model.load(str(tmp_path / "with labels"))
    outputs = network(inputs, labels=labels[:4])
    np.testing.assert_allclose(loaded.serve(inputs, labels[:4]), outputs, atol=1e-5)
    plain = kind(**TINY)
    plain.export(tmp_path / "plain")
    loaded = tf.saved_model.load(str(tmp_path / "plain"))
    np.testing.assert_allclose(loaded.serve(inputs), plain(inputs), atol=1e-5)


def test_saved_networks_load_after_an_import_in_a_fresh_process(schema, labels, tmp_path):
    expected = {}
    for kind in (Generator, Discriminator):
        network = kind(**TINY, label_schema=schema)
        network.save(tmp_path / f"{kind.__name__}.keras")
        expected[kind.__name__] = network(draw_inputs(network), labels=labels[:4])
        np.savez(tmp_path / f"{kind.__name__}.npz", inputs=draw_inputs(network), labels=labels[:4])
    program = """
import sys, keras, numpy as np
import mrisynth.networks
for name in ("Generator", "Discriminator"):
    calls = np.load(f"{name}.npz")
    network = keras.saving.load_model(f"{name}.keras")
    assert type(network) is getattr(mrisynth.networks, name)
    np.save(name, network(calls["inputs"], labels=calls["labels"]))
"""
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True)
    for name, outputs in expected.items():
        np.testing.assert_allclose(np.load(tmp_path / f"{name}.npy"), outputs, atol=1e-5)


def test_blend():
    np.testing.assert_allclose(fade(tf.constant([0.0, 4.0]), tf.constant([1.0, 0.0]), 0.25), [0.25, 3.0])


def test_only_a_python_number_is_known_to_be_one():
    assert is_one(1.0)
    assert is_one(1)
    assert not is_one(0.5)
    assert not is_one(tf.constant(1.0))
