import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import ndimage

from mrisynth.errors import UserError
from mrisynth.metrics import features
from mrisynth.metrics.features import ScatteringFeatures, load_features
from tests.metrics.changed_images import change

EXTRACT = ScatteringFeatures()


def draw_images(count, resolution, seed):
    """Bright ellipses with a rim and a bright spot somewhere, on black: crude heads with a lesion."""
    random = np.random.RandomState(seed)
    y, x = np.mgrid[:resolution, :resolution] / (resolution - 1) - 0.5
    images = []
    for _ in range(count):
        height, width = random.uniform(0.3, 0.45, 2)
        radius = (y / height) ** 2 + (x / width) ** 2
        spot = np.hypot(y - random.uniform(-0.2, 0.2), x - random.uniform(-0.2, 0.2)) < 0.08
        image = (radius < 1) * (90 + 80 * (radius > 0.7) + 70 * spot) + random.normal(0, 3, x.shape)
        images.append(np.clip(image, 0, 255))
    return np.rint(images).astype(np.uint8)


def wave(resolution, frequency, degrees, amplitude=100):
    """Cycles per pixel."""
    y, x = np.mgrid[:resolution, :resolution]
    angle = np.deg2rad(degrees)
    phase = 2 * np.pi * frequency * (x * np.cos(angle) + y * np.sin(angle))
    return np.rint(128 + amplitude * np.cos(phase)).astype(np.uint8)[None]


def take_apart(values, octaves):
    """Features by their meaning: layout [N, 8, 8], and of each octave grid, orientations, second layer."""
    layout, values = values[:, :64].reshape(-1, 8, 8), values[:, 64:]
    parts = []
    for octave in range(octaves):
        grid, orientations, second, values = np.split(values, [16, 20, 24], axis=1)
        parts.append((grid.reshape(-1, 4, 4), orientations, second))
        assert second.shape[1] == (4 if octave < octaves - 1 else 0)
    assert values.shape[1] == 0
    return layout, parts


# ------------------------------------------------------------------------------------------- scattering


def test_filters_see_no_constant_and_a_wave_of_their_own_by_its_amplitude():
    filters = features.oriented_filters()[:, :, 0].astype(np.float64)
    np.testing.assert_allclose(filters.sum(axis=(0, 1)), 0, atol=1e-6)
    y, x = np.mgrid[-3:4, -3:4]
    for orientation, angle in enumerate(np.deg2rad([0, 45, 90, 135])):
        phase = 2 * np.pi / 3 * (x * np.cos(angle) + y * np.sin(angle))
        assert np.sum(filters[..., orientation] * np.cos(phase)) == pytest.approx(1)
        assert np.sum(filters[..., 4 + orientation] * np.sin(phase)) == pytest.approx(1)
        assert np.sum(filters[..., orientation] * np.sin(phase)) == pytest.approx(0, abs=1e-6)


def test_amplitudes_are_those_of_convolutions_with_mirrored_borders():
    image = draw_images(1, 32, 0)[0].astype(np.float64)
    filters = np.moveaxis(features.oriented_filters()[:, :, 0].astype(np.float64), -1, 0)
    responses = np.stack([ndimage.correlate(image, kernel, mode="reflect") for kernel in filters])
    amplitudes = np.hypot(responses[:4], responses[4:])
    expected = amplitudes.reshape(4, 16, 2, 16, 2).mean(axis=(2, 4))
    ours = features._halved_amplitudes(tf.constant(image[None, ..., None], tf.float32))
    np.testing.assert_allclose(np.moveaxis(ours[0], -1, 0), expected, atol=1e-3)


@pytest.mark.parametrize(("resolution", "octaves"), [(16, 1), (32, 2), (64, 3), (128, 4), (256, 5)])
def test_every_octave_has_its_features(resolution, octaves):
    images = draw_images(2, resolution, 0)
    values = EXTRACT(images)
    assert values.dtype == np.float32
    assert values.shape == (2, 60 + 24 * octaves)
    layout, parts = take_apart(values, octaves)
    blocks = images.reshape(2, 8, resolution // 8, 8, resolution // 8).mean(axis=(2, 4)) / 64
    np.testing.assert_allclose(layout, blocks, rtol=1e-5)
    for grid, orientations, _ in parts:
        # Both average the same amplitudes, but before the logarithm.
        np.testing.assert_allclose(
            np.expm1(grid).mean(axis=(1, 2)), np.expm1(orientations).mean(axis=1), rtol=1e-4
        )


@pytest.mark.parametrize("degrees", [0, 45, 90, 135])
@pytest.mark.parametrize("octave", [0, 1])
def test_a_wave_is_seen_at_its_octave_and_orientation(octave, degrees):
    _, parts = take_apart(EXTRACT(wave(64, 1 / 3 / 2**octave, degrees)), 3)
    energies = np.stack([orientations[0] for _, orientations, _ in parts])
    assert np.unravel_index(np.argmax(energies), energies.shape) == (octave, degrees // 45)
    gain = 1 if octave == 0 else 0.75  # That of 2x2 means.
    assert np.expm1(energies.max()) == pytest.approx(100 * gain, rel=0.2)


def test_amplitude_is_seen_where_it_is():
    image = np.full((1, 64, 64), 128, np.uint8)
    image[0, 4:12, 36:44] = wave(64, 1 / 3, 0)[0, :8, :8]
    _, ((grid, _, _), *_) = take_apart(EXTRACT(image), 3)
    assert grid[0, 0, 2] > 1
    grid[0, 0, 2] = 0
    assert grid.max() < 0.01


@pytest.mark.parametrize("degrees", [0, 45, 90])
def test_second_layer_sees_how_stripes_come_and_go(degrees):
    """Stripes whose amplitude varies across them, or along them."""
    stripes, across, along = (
        wave(64, frequency, angle) / 100 - 1.28
        for frequency, angle in ((1 / 3, degrees), (1 / 6, degrees), (1 / 6, degrees + 90))
    )
    seconds = []
    for variation in (0, across, along):
        image = np.rint(128 + 60 * stripes * (1 + variation)).astype(np.uint8)
        _, ((_, _, second), *_) = take_apart(EXTRACT(image), 3)
        seconds.append(second[0])
    assert np.argmax(seconds[1]) == 0
    assert np.argmax(seconds[2]) == 2
    assert max(seconds[0]) < min(max(seconds[1]), max(seconds[2])) - 1


def test_a_mirrored_image_has_mirrored_features():
    images = draw_images(3, 64, 0)
    layout, parts = take_apart(EXTRACT(images), 3)
    mirrored_layout, mirrored_parts = take_apart(EXTRACT(images[:, :, ::-1]), 3)
    np.testing.assert_allclose(mirrored_layout, layout[:, :, ::-1], rtol=1e-5)
    for part, mirrored in zip(parts, mirrored_parts, strict=True):
        np.testing.assert_allclose(mirrored[0], part[0][:, :, ::-1], atol=1e-4)
        for values, mirrored_values in zip(part[1:], mirrored[1:], strict=True):
            # 45 and 135 degrees change places.
            order = [0, 3, 2, 1][: values.shape[1]]
            np.testing.assert_allclose(mirrored_values, values[:, order], atol=1e-4)


@pytest.mark.parametrize("resolution", [16, 32, 64, 256])
def test_features_of_mirror_images_need_no_second_look(resolution):
    images = draw_images(3, resolution, 0)
    looked_at = EXTRACT(images[:, :, ::-1])
    np.testing.assert_allclose(EXTRACT.mirrored(images, EXTRACT(images)), looked_at, atol=1e-4)


def test_a_transposed_image_has_its_orientations_swapped():
    images = draw_images(3, 64, 0)
    _, parts = take_apart(EXTRACT(images), 3)
    _, turned = take_apart(EXTRACT(images.transpose(0, 2, 1)), 3)
    for (_, orientations, _), (_, turned_orientations, _) in zip(parts, turned, strict=True):
        # 0 and 90 degrees change places.
        np.testing.assert_allclose(turned_orientations, orientations[:, [2, 1, 0, 3]], atol=1e-4)


@pytest.mark.parametrize("gray", [0, 77, 255])
def test_a_constant_image_has_its_gray_value_and_no_energy(gray):
    values = EXTRACT(np.full((1, 64, 64), gray, np.uint8))
    np.testing.assert_allclose(values[:, :64], gray / 64, rtol=1e-6)
    np.testing.assert_allclose(values[:, 64:], 0, atol=1e-3)


def test_features_do_not_depend_on_the_images_beside(monkeypatch):
    images = draw_images(7, 32, 0)
    whole = EXTRACT(images)
    np.testing.assert_array_equal(EXTRACT(images), whole)
    np.testing.assert_allclose(EXTRACT(images[3:4]), whole[3:4], atol=1e-5)
    monkeypatch.setattr(features, "_CHUNK_PIXELS", 2 * 32 * 32)
    np.testing.assert_allclose(EXTRACT(images), whole, atol=1e-5)


def distance(first, second):
    return np.linalg.norm(EXTRACT(first) - EXTRACT(second), axis=1)


def test_a_small_shift_is_nearer_than_another_image():
    images = draw_images(20, 64, 0)
    shifted = distance(images, np.roll(images, 1, axis=2))
    other = distance(images, draw_images(20, 64, 1))
    assert shifted.max() < other.min()
    assert np.median(shifted) < 0.5 * np.median(other)


@pytest.mark.parametrize(
    "function",
    [
        lambda image: ndimage.gaussian_filter(image, 1),
        lambda image: image + np.random.RandomState(int(image.sum())).normal(0, 15, image.shape),
    ],
    ids=["blur", "noise"],
)
def test_blur_and_noise_are_far(function):
    images = draw_images(20, 64, 0)
    shifted = distance(images, np.roll(images, 1, axis=2))
    assert distance(images, change(images, function)).min() > 2 * shifted.max()


def test_progress_is_shown(capsys, every_line):
    EXTRACT(draw_images(2, 16, 0))
    assert "computing features: 2 of 2 images" in capsys.readouterr().err


GOOD = draw_images(3, 16, 0)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (GOOD / 255, r"float64 \[3, 16, 16\]"),
        (GOOD[0], r"uint8 \[16, 16\]"),
        (GOOD[..., None], r"uint8 \[3, 16, 16, 1\]"),
        (GOOD[:, :, :8], r"uint8 \[3, 16, 8\]"),
        (GOOD[:, :8, :8], "8 pixels wide"),
        (np.zeros((3, 48, 48), np.uint8), "48 pixels wide"),
        (GOOD[:0], "at least 1 image, not 0"),
    ],
)
def test_mistakes_are_named_in_one_sentence(images, message):
    with pytest.raises(UserError, match=message) as caught:
        EXTRACT(images)
    assert "\n" not in str(caught.value)


# ------------------------------------------------------------------------------------------ own networks


def channel_means(size, channels):
    """A Keras model: means of 4 * x over space, of each channel and of their sum; not rotated, not scaled."""
    inputs = keras.Input((size, size, channels))
    weights = np.concatenate([np.eye(channels), np.ones((channels, 1))], axis=1).reshape(1, 1, channels, -1)
    layer = keras.layers.Conv2D(channels + 1, 1, use_bias=False)
    outputs = keras.layers.GlobalAveragePooling2D()(layer(inputs))
    model = keras.Model(inputs, outputs)
    layer.set_weights([4 * weights])
    return model


class Module(tf.Module):
    """A function of images, as TensorFlow saves it."""

    def __init__(self, function, shape=(None, None, None, 3), dtype=tf.float32):
        super().__init__()
        self.run = tf.function(function, input_signature=[tf.TensorSpec(shape, dtype)])


def save_module(path, function, **settings):
    module = Module(function, **settings)
    tf.saved_model.save(module, str(path), signatures={"serving_default": module.run})
    return path


def means_of(images, channels):
    means = 4 * (images.mean(axis=(1, 2), dtype=np.float64) / 127.5 - 1)
    return np.stack([*[means] * channels, channels * means], axis=1)


@pytest.mark.both_stacks
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("kind", [".keras", ".h5", "SavedModel"])
def test_keras_models_get_images_from_minus_1_to_1_in_all_channels(tmp_path, kind, channels):
    path = tmp_path / f"means{kind}"
    model = channel_means(None, channels)
    if kind == "SavedModel":
        spec = tf.TensorSpec([None, None, None, channels], tf.float32)
        served = tf.function(lambda x: model(x, training=False), input_signature=[spec])
        tf.saved_model.save(model, str(path), signatures={"serving_default": served})
    else:
        model.save(path)
    images = draw_images(5, 32, 0)
    extract = load_features(path)
    assert path.name in extract.name
    assert str(tmp_path) not in extract.name
    values = extract(images)
    assert values.dtype == np.float32
    np.testing.assert_allclose(values, means_of(images, channels), atol=1e-4)


@pytest.mark.both_stacks
def test_what_keras_itself_saves_for_serving_is_taken(tmp_path):
    model = channel_means(32, 3)
    if hasattr(model, "export"):
        model.export(str(tmp_path / "model"))
    else:
        model.save(str(tmp_path / "model"), save_format="tf")
    images = draw_images(5, 32, 0)
    np.testing.assert_allclose(load_features(tmp_path / "model")(images), means_of(images, 3), atol=1e-4)


@pytest.mark.both_stacks
def test_images_are_resized_to_the_input(tmp_path):
    def tell_size_and_corner(images):
        size = tf.cast(tf.shape(images)[1:3], tf.float32)[None] + tf.zeros([tf.shape(images)[0], 1])
        return tf.concat([size, images[:, 0, 0, :1], images[:, -1, -1, :1]], axis=1)

    path = save_module(tmp_path / "model", tell_size_and_corner, shape=(None, 24, 40, 3))
    extract = load_features(path)
    assert "24x40" in extract.name
    images = draw_images(3, 16, 0)
    images[:, :4, :4], images[:, -4:, -4:] = 255, 51
    np.testing.assert_allclose(extract(images), [[24, 40, 1, -0.6]] * 3, atol=1e-5)
    free = load_features(save_module(tmp_path / "free", tell_size_and_corner))
    np.testing.assert_allclose(free(images), [[16, 16, 1, -0.6]] * 3, atol=1e-5)


def test_shrinking_leaves_no_pixel_out(tmp_path):
    path = save_module(
        tmp_path / "model", lambda x: tf.math.reduce_std(x, axis=(1, 2)), shape=(None, 8, 8, 1)
    )
    checkerboard = np.uint8(255 * (np.indices((64, 64)).sum(axis=0) % 2))[None]
    assert load_features(path)(checkerboard).max() < 0.05


@pytest.mark.both_stacks
def test_maps_are_averaged_over_space(tmp_path):
    path = save_module(tmp_path / "model", lambda x: {"maps": tf.concat([x, 2 * x], axis=-1)})
    images = draw_images(3, 16, 0)
    means = images.mean(axis=(1, 2))[:, None] / 127.5 - 1
    np.testing.assert_allclose(load_features(path)(images), means * [1, 1, 1, 2, 2, 2], atol=1e-5)


@pytest.mark.both_stacks
def test_the_first_signature_or_the_object_itself_is_taken_where_none_is_the_default(tmp_path):
    module = Module(lambda x: tf.reduce_mean(x, axis=(1, 2)))
    tf.saved_model.save(module, str(tmp_path / "named"), signatures={"embed": module.run})
    bare = tf.Module()
    bare.__call__ = module.run
    tf.saved_model.save(bare, str(tmp_path / "bare"), signatures={})
    assert not tf.saved_model.load(str(tmp_path / "bare")).signatures
    for name in ("named", "bare"):
        images = draw_images(3, 16, 0)
        means = images.mean(axis=(1, 2))[:, None] / 127.5 - 1
        np.testing.assert_allclose(load_features(tmp_path / name)(images), means * [1, 1, 1], atol=1e-5)


def test_a_network_shows_progress(tmp_path, capsys, every_line):
    extract = load_features(save_module(tmp_path / "model", lambda x: tf.reduce_mean(x, axis=(1, 2))))
    extract(GOOD)
    assert "computing features: 3 of 3 images" in capsys.readouterr().err


def assert_raises_one_sentence(message, function, *arguments):
    with pytest.raises(UserError, match=message) as caught:
        function(*arguments)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("--features=")


@pytest.mark.both_stacks
def test_what_is_no_model_is_named(tmp_path):
    assert_raises_one_sentence("is not there", load_features, tmp_path / "none.keras")
    assert_raises_one_sentence("is not a model", load_features, tmp_path)
    (tmp_path / "weights.pt").write_bytes(b"torch")
    assert_raises_one_sentence("is not a model", load_features, tmp_path / "weights.pt")
    for name in ("broken.keras", "broken.h5", "folder/saved_model.pb"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"not this")
        path = tmp_path / name
        path = path.parent if path.suffix == ".pb" else path
        assert_raises_one_sentence("cannot be loaded", load_features, path)
    tf.saved_model.save(tf.Module(), str(tmp_path / "empty"))
    assert_raises_one_sentence("neither signatures nor a __call__", load_features, tmp_path / "empty")


@pytest.mark.both_stacks
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"shape": (None, 16, 16, 4)}, r"takes \[None, 16, 16, 4\]; use a model"),
        ({"shape": (None, 3, 16, 16)}, r"takes \[None, 3, 16, 16\]; use a model"),
        ({"shape": (1, 16, 16, 3)}, r"takes \[1, 16, 16, 3\]; use a model"),
        ({"shape": (None, 100)}, r"takes \[None, 100\]; use a model"),
        ({"dtype": tf.uint8}, "takes uint8; use a model"),
    ],
)
def test_models_of_other_inputs_are_named(tmp_path, settings, message):
    path = save_module(tmp_path / "model", lambda x: x + 1, **settings)
    assert_raises_one_sentence(message, load_features, path)


@pytest.mark.both_stacks
def test_models_of_two_inputs_are_named(tmp_path):
    first, second = keras.Input((16, 16, 1)), keras.Input((16, 16, 1))
    keras.Model([first, second], keras.layers.Add()([first, second])).save(tmp_path / "model.keras")
    assert_raises_one_sentence("it has 2 inputs", load_features, tmp_path / "model.keras")


@pytest.mark.both_stacks
@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x: tf.reduce_mean(x, axis=(1, 2, 3)), r"yields \(None,\); use a model"),
        (lambda x: x[..., 0], r"yields \(None, 16, 16\); use a model"),
        (lambda x: {"a": x, "b": x}, r"yields .*, .*; use a model with one output"),
        (lambda x: tf.math.log(tf.reduce_mean(x, axis=(1, 2)) - 2), "not finite"),
    ],
)
def test_models_of_other_outputs_are_named(tmp_path, function, message):
    extract = load_features(save_module(tmp_path / "model", function))
    assert_raises_one_sentence(message, extract, GOOD)


@pytest.mark.both_stacks
def test_models_that_cannot_take_the_images_are_named(tmp_path):
    path = save_module(tmp_path / "model", lambda x: tf.reshape(x, [-1, 16 * 16 * 3]) @ tf.ones([768, 2]))
    extract = load_features(path)
    assert extract(GOOD).shape == (3, 2)
    extract = load_features(save_module(tmp_path / "strict", lambda x: tf.ensure_shape(x, [None, 8, 8, 3])))
    assert_raises_one_sentence(r"cannot take images \[N, 16, 16, 3\]; use a model", extract, GOOD)
