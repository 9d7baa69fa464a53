"""What a run takes of another one's weights, and what starts anew."""

import dataclasses
import re

import numpy as np
import pytest

from mrisynth.data.conditions.schema import label_schema
from mrisynth.data.labels import Label, LabelKind, LabelSchema
from mrisynth.data.storing.manifest import read_manifest, write_manifest
from mrisynth.errors import UserError
from mrisynth.export.from_run import export_run
from mrisynth.export_folder import ExportFolder
from mrisynth.networks import NetworkConfig
from mrisynth.training.origin import Origin, TrainingData
from mrisynth.training.state import TrainingState
from mrisynth.training.warm_start import read_source, take_weights
from tests.export import private_run
from tests.training.weights import weights
from tests.untrained_runs import NETWORK, SCHEDULE, make_state, write_run

pytestmark = pytest.mark.both_stacks

SUFFIX = Label("suffix", LabelKind.CATEGORICAL, ("FLAIR", "T1w"))
AGE = Label("participant/age", LabelKind.CONTINUOUS, mean=50.0, deviation=20.0)


def of(network, values):
    """The weights of one network of a state, by name."""
    return {name.split("/", 1)[1]: value for name, value in values.items() if name.startswith(f"{network}/")}


def differing(before, after):
    """The layers of which any weight differs."""
    return {
        "/".join(name.split("/")[:2])
        for name, value in after.items()
        if not np.array_equal(value, before.get(name))
    }


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A run whose average is another generator than the one in training, and its weights."""
    folder = tmp_path_factory.mktemp("source") / "run"
    state = make_state()
    # Biases start at 0 everywhere.
    for network in (state.generator, state.discriminator):
        network.set_weights([weight + 0.2 for weight in network.get_weights()])
    write_run(folder, state, SCHEDULE.iterations)
    return folder, weights(state)


def start(path, network=NETWORK, labels=()):
    """The weights of a new state before it takes others, what is said of that, and its weights after it."""
    state = TrainingState(network, "float32", seed=1, label_schema=LabelSchema(labels))
    return weights(state), take_weights(state, read_source(path)[1]), weights(state)


def sorted_as(layers, values):
    """Layers in the order in which a network has them."""
    return sorted(layers, key=lambda layer: next(i for i, name in enumerate(values) if f"/{layer}/" in name))


def test_a_run_gives_each_network_its_own_weights(source):
    folder, given = source
    _, said, found = start(folder)
    assert differing(given, found) == set()
    assert not np.array_equal(found["average/block_4/00_kernel"], found["generator/block_4/00_kernel"])
    counts = {
        name: sum(value.size for value in of(name, given).values()) for name in ("generator", "discriminator")
    }
    assert said == ", ".join(f"{n:,} of {n:,} weights of the {name}" for name, n in counts.items())


@pytest.mark.parametrize(
    ("change", "labels", "generator", "discriminator"),
    [
        ({"resolution": 32}, (), {"block_32", "to_image_32"}, {"block_32", "from_image_32"}),
        ({"latent_size": 6}, (), {"block_4"}, set()),
        (
            {"channels": 2},
            (),
            {"to_image_4", "to_image_8", "to_image_16"},
            {"from_image_4", "from_image_8", "from_image_16"},
        ),
        # 8, 8 and 4 channels become 8, 4 and 2.
        (
            {"fmap_base": 16, "attention_generator": ()},
            (),
            {"block_8", "block_16", "to_image_8", "to_image_16"},
            {"block_8", "block_16", "from_image_8", "from_image_16"},
        ),
        ({"attention_generator": ()}, (), set(), set()),
        ({"attention_discriminator": (8,)}, (), set(), {"block_8"}),
        (
            {},
            (SUFFIX,),
            {
                "label_embedding",
                "label_input",
                "label_modulation_4",
                "label_modulation_8",
                "label_modulation_16",
            },
            {"label_projection"},
        ),
    ],
)
def test_what_does_not_fit_starts_anew_and_is_named(change, labels, generator, discriminator, source):
    folder, given = source
    drawn, said, found = start(folder, dataclasses.replace(NETWORK, **change), labels)
    for network, anew in (("generator", generator), ("discriminator", discriminator)):
        layers = {name.split("/")[1] for name in differing(given, found) if name.startswith(f"{network}/")}
        assert layers == anew
        named = said.split(f"weights of the {network}")[1].split(" weights")[0]
        assert re.findall(r"anew: ([^)]*)", named) == ([", ".join(sorted_as(anew, found))] if anew else [])
        # What was not taken is as it was drawn.
        for name in anew:
            of_layer = [key for key in drawn if key.startswith(f"{network}/{name}/")]
            assert any(np.array_equal(drawn[key], found[key]) for key in of_layer), name


def test_wider_layers_are_named_with_what_they_take(source):
    """8, 8 and 4 channels become 8, 8 and 8."""
    folder, given = source
    _, said, _ = start(folder, dataclasses.replace(NETWORK, fmap_base=64))
    count = sum(value.size for value in of("generator", given).values())
    assert re.search(
        rf"^{count:,} of [0-9,]+ weights of the generator \(wider: block_16, to_image_16\)", said
    )
    assert said.endswith("(wider: block_16, from_image_16)")


def test_convolutions_are_taken_whether_or_not_their_block_attends(source):
    """The discriminator makes attention first, so that numbers of variables shift."""
    folder, given = source
    _, _, found = start(folder, dataclasses.replace(NETWORK, attention_discriminator=(8,)))
    block = [value for name, value in found.items() if name.startswith("discriminator/block_8/")]
    for name in ("00_kernel", "01_bias", "02_kernel", "03_bias"):
        taken = given[f"discriminator/block_8/{name}"]
        assert any(np.array_equal(value, taken) for value in block), name


def test_half_a_layer_is_not_taken(source):
    """A bias belongs to its kernel; what else a block has is taken."""
    folder, given = source
    drawn, _, found = start(folder, dataclasses.replace(NETWORK, latent_size=6))
    names = [f"generator/block_4/{name}" for name in ("00_kernel", "01_bias", "02_kernel", "03_bias")]
    assert all(np.array_equal(found[name], drawn[name]) for name in names[:2])
    assert all(np.array_equal(found[name], given[name]) for name in names[2:])


def test_labels_are_taken_where_they_mean_the_same(tmp_path):
    schema = LabelSchema((SUFFIX, AGE))
    state = TrainingState(NETWORK, "float32", seed=0, label_schema=schema)
    state.generator.set_weights([weight + 0.2 for weight in state.generator.get_weights()])
    write_run(tmp_path / "run", state, 10, conditions=("suffix", "age"), label_schema=schema)
    # The mean of other subjects.
    _, _, found = start(tmp_path / "run", labels=(SUFFIX, dataclasses.replace(AGE, mean=60.0)))
    assert differing(weights(state), found) == set()
    # As many categories, of which one is another.
    other = dataclasses.replace(SUFFIX, vocabulary=("FLAIR", "T2w"))
    _, said, found = start(tmp_path / "run", labels=(other, AGE))
    assert "generator/label_input" in differing(weights(state), found)
    assert "generator/block_4" not in differing(weights(state), found)
    assert "label_projection" in said


def test_weights_that_resampled_in_another_way_are_taken_and_said_to_be(source):
    folder, given = source
    _, said, found = start(folder, dataclasses.replace(NETWORK, bilinear_resampling=True))
    assert differing(given, found) == set()
    assert said.endswith("; images and scores change, since the weights had another --bilinear_resampling")
    assert "--bilinear_resampling" not in start(folder)[1]


def test_weights_without_noise_draw_the_same_images_with_it_and_losing_it_is_said(source, tmp_path):
    folder, given = source
    noisy = dataclasses.replace(NETWORK, noise_inputs=True)
    _, said, found = start(folder, noisy)
    strengths = {name for name in found if "strength" in name}
    assert {name.split("/")[1] for name in strengths} == {"block_8", "block_16"}
    assert all(not found[name].any() for name in strengths)
    assert differing(given, {name: found[name] for name in found.keys() - strengths}) == set()
    assert "images" not in said
    assert "anew" not in said
    write_run(tmp_path / "noisy", TrainingState(noisy, "float32", seed=0), 10, network=noisy)
    _, said, _ = start(tmp_path / "noisy")
    assert said.endswith("; images change, since the weights had --noise_inputs")
    assert "noise_inputs" not in start(tmp_path / "noisy", noisy)[1]


def test_an_export_gives_both_generators_its_average(private_data, tmp_path):
    write_manifest(dataclasses.replace(read_manifest(private_data), phantoms=True), tmp_path)
    private_run.write_run(tmp_path / "run", tmp_path)
    average = of("average", start(tmp_path / "run")[2])
    export_run(tmp_path / "run", tmp_path / "alone")
    drawn, said, found = start(tmp_path / "alone")
    assert differing(average, of("average", found)) == differing(average, of("generator", found)) == set()
    assert differing(of("discriminator", drawn), of("discriminator", found)) == set()
    assert said.endswith("; the discriminator, which is not stored beside the generator, starts anew")
    both = ExportFolder(export_run(tmp_path / "run", tmp_path / "both", with_discriminator=True))
    _, said, found = start(both.path)
    trained = of("discriminator", start(tmp_path / "run")[2])
    assert differing(trained, of("discriminator", found)) == set()
    assert said.endswith("weights of the discriminator")
    with np.load(both.discriminator) as arrays:
        np.savez(both.discriminator, **{name: arrays[name] + 1 for name in arrays.files})
    with pytest.raises(
        UserError, match=r"--init_from=.*discriminator.npz is not the one that the model card"
    ):
        read_source(both.path)


def test_an_export_that_knows_labels_is_read_by_its_card(conditional_run, tmp_path):
    export_run(conditional_run, tmp_path / "model")
    (of_run, from_run), (of_export, from_export) = (
        read_source(path) for path in (conditional_run, tmp_path / "model")
    )
    assert (of_export.weights_checksum, of_export.data) == (of_run.weights_checksum, of_run.data)
    assert from_export.label_schema == from_run.label_schema
    assert from_export.average.keys() == from_run.average.keys()
    for place, values in from_run.average.items():
        for ours, theirs in zip(values, from_export.average[place], strict=True):
            np.testing.assert_array_equal(ours, theirs, err_msg=place)


@pytest.fixture
def conditional_run(small_dataset, tmp_path):
    """A run that knows the positions of slices."""
    schema = label_schema(small_dataset, ("position_mm",))
    state = TrainingState(NETWORK, "float32", seed=0, label_schema=schema)
    fingerprint = read_manifest(small_dataset).fingerprint
    settings = {"conditions": ("position_mm",), "label_schema": schema}
    write_run(tmp_path / "run", state, SCHEDULE.iterations, small_dataset, fingerprint, **settings)
    return tmp_path / "run"


def test_data_sets_are_told_through_generations(private_data, tmp_path):
    own = read_manifest(private_data).fingerprint
    first = Origin("checksum", (TrainingData("first", True),), tmp_path / "first")
    private_run.write_run(tmp_path / "run", private_data, origin=first)
    expected = (TrainingData(own, False), TrainingData("first", True))
    assert read_source(tmp_path / "run")[0].data == expected
    export_run(tmp_path / "run", tmp_path / "model")
    assert read_source(tmp_path / "model")[0].data == expected


def test_a_data_set_that_is_gone_is_taken_for_patients(private_data, tmp_path):
    write_manifest(dataclasses.replace(read_manifest(private_data), phantoms=True), tmp_path)
    private_run.write_run(tmp_path / "run", tmp_path)
    assert read_source(tmp_path / "run")[0].data[0].phantoms
    (tmp_path / "manifest.json").unlink()
    assert not read_source(tmp_path / "run")[0].data[0].phantoms


def test_what_has_no_weights_is_named(source, bare, tmp_path):
    folder, _ = source
    (tmp_path / "config.json").write_bytes((folder / "config.json").read_bytes())
    with pytest.raises(UserError, match=f"--init_from={tmp_path} has no checkpoint that can be read"):
        read_source(tmp_path)
    with pytest.raises(UserError, match="has no model card"):
        read_source(bare)
    assert start(folder, NetworkConfig(16, 1, 2, 6, 12, 3))[1] == ""


def test_all_replicas_take_the_same_weights(source, two_replicas):
    folder, given = source
    with two_replicas.scope():
        state = TrainingState(NETWORK, "float32", seed=1)
        take_weights(state, read_source(folder)[1])
    for name, variable in state.generator.named_variables().items():
        for replica in two_replicas.experimental_local_results(variable):
            np.testing.assert_array_equal(replica.numpy(), given[f"generator/{name}"])
