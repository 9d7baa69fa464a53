import numpy as np
import pytest
from scipy import ndimage

from mrisynth.errors import UserError
from mrisynth.metrics import spectrum
from mrisynth.metrics.spectrum import power_spectrum, spectrum_difference


def noise(count, resolution, seed=0, deviation=20):
    values = np.random.RandomState(seed).normal(128, deviation, (count, resolution, resolution))
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def wave(resolution, down, right, amplitude=100):
    """Cycles per image."""
    y, x = np.mgrid[:resolution, :resolution] / resolution
    return np.rint(128 + amplitude * np.cos(2 * np.pi * (down * y + right * x) + 0.3)).astype(np.uint8)[None]


@pytest.mark.parametrize("resolution", [16, 32, 64])
def test_frequencies_are_whole_cycles_per_image_up_to_half_a_cycle_per_pixel(resolution):
    frequencies, power = power_spectrum(noise(2, resolution))
    assert frequencies.shape == power.shape == (resolution // 2,)
    assert frequencies[0] == 1 / resolution
    assert frequencies[-1] == 0.5
    np.testing.assert_allclose(np.diff(frequencies), 1 / resolution)


def test_white_noise_has_its_variance_at_every_frequency():
    images = noise(2000, 32)
    # 8 or more waves of 2000 images at each frequency: a standard deviation of 0.8 %; 1 / 12 is rounding's.
    power = power_spectrum(images)[1]
    np.testing.assert_allclose(power[1:], 20**2 + 1 / 12, rtol=0.04)
    assert power[0] == pytest.approx(20**2, rel=0.1)


def test_rings_hold_the_power_that_parseval_finds(monkeypatch):
    """The mean over the whole spectrum is the windowed image's energy, over the window's."""
    images = noise(1, 16)
    spectra = []
    monkeypatch.setattr(spectrum, "_ring_means", lambda power: spectra.append(power))
    power_spectrum(images)
    copies = np.array([1, *[2] * 7, 1])
    line = np.sin(np.pi * (np.arange(16) + 0.5) / 16) ** 2
    windowed = (images[0] - images[0].mean()) * np.outer(line, line)
    expected = 256 * np.sum(windowed**2) / np.sum(np.outer(line, line) ** 2)
    assert np.sum(spectra[0] * copies) == pytest.approx(expected, rel=1e-5)


def test_ring_means_are_those_of_the_whole_spectrum():
    whole = np.abs(np.fft.fft2(noise(1, 32)[0])) ** 2
    frequencies = np.fft.fftfreq(32) * 32
    radius = np.hypot(frequencies[:, None], frequencies)
    expected = [whole[(radius > ring - 0.5) & (radius <= ring + 0.5)].mean() for ring in range(1, 17)]
    np.testing.assert_allclose(spectrum._ring_means(whole[:, :17]), expected, rtol=1e-10)


@pytest.mark.parametrize(
    ("down", "right", "cycles"), [(0, 5, 5), (5, 0, 5), (6, 8, 10), (-6, 8, 10), (0, 20, 20)]
)
def test_a_wave_peaks_at_its_frequency(down, right, cycles):
    frequencies, power = power_spectrum(wave(64, down, right))
    assert frequencies[np.argmax(power)] == cycles / 64
    # A Hann window spreads a wave over its neighbors, and no farther.
    far = np.abs(frequencies * 64 - cycles) > 2.5
    assert power[far].max() < 1e-3 * power.max()


def test_power_goes_with_the_square_of_the_amplitude_and_not_with_brightness():
    small, large = (power_spectrum(wave(64, 3, 4, amplitude))[1] for amplitude in (30, 120))
    assert large[4] / small[4] == pytest.approx(16, rel=0.01)
    images = noise(5, 32)
    np.testing.assert_allclose(power_spectrum(images + np.uint8(20))[1], power_spectrum(images)[1], rtol=1e-4)


def test_a_step_between_opposite_edges_leaves_high_frequencies_alone():
    ramp = np.broadcast_to(np.arange(64, dtype=np.uint8) * 3, (1, 64, 64))
    frequencies, power = power_spectrum(ramp)
    assert power[frequencies > 0.25].max() < 1e-5 * power[0]


def test_blur_takes_high_frequencies_and_noise_adds_them():
    images = noise(20, 64)
    frequencies, power = power_spectrum(images)
    blurred = ndimage.gaussian_filter(images.astype(float), (0, 1, 1), mode="wrap")
    ratio = power_spectrum(np.rint(blurred).astype(np.uint8))[1] / power
    # The square of the Gaussian's own spectrum, until rounding to gray values shows.
    np.testing.assert_allclose(ratio[1:12], np.exp(-((2 * np.pi * frequencies[1:12]) ** 2)), rtol=0.1)
    assert ratio[-1] < 0.01
    noisier = np.clip(np.rint(blurred + noise(20, 64, 1, 5) - 128.0), 0, 255).astype(np.uint8)
    assert power_spectrum(noisier)[1][-1] > 5 * ratio[-1] * power[-1]


def test_blocks_do_not_change_the_spectrum(monkeypatch):
    images = noise(7, 16)
    whole = power_spectrum(images)[1]
    monkeypatch.setattr(spectrum, "_CHUNK_PIXELS", 2 * 16 * 16)
    np.testing.assert_allclose(power_spectrum(images)[1], whole, rtol=1e-6)


def test_difference_by_hand():
    first = np.array([1.0, 10, 100, 7])
    assert spectrum_difference(first, first) == 0
    assert spectrum_difference(first, 10 * first) == pytest.approx(10)
    # 10, -20, 0 and 0 dB.
    second = first * [10, 0.01, 1, 1]
    assert spectrum_difference(first, second) == pytest.approx(np.sqrt(500 / 4))
    assert spectrum_difference(second, first) == pytest.approx(np.sqrt(500 / 4))


def test_blur_differs_more_than_another_draw():
    power = power_spectrum(noise(50, 32))[1]
    blurred = np.rint(ndimage.gaussian_filter(noise(50, 32).astype(float), (0, 0.5, 0.5))).astype(np.uint8)
    assert spectrum_difference(power, power_spectrum(noise(50, 32, seed=1))[1]) < 0.5
    assert spectrum_difference(power, power_spectrum(blurred)[1]) > 3


GOOD = noise(3, 16)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (GOOD / 255, "images are float64"),
        (GOOD[0], r"shape \[16, 16\]"),
        (GOOD[:, :, :8], r"shape \[3, 16, 8\]"),
        (GOOD[:, :8, :8], r"shape \[3, 8, 8\]"),
        (np.zeros((3, 17, 17), np.uint8), r"shape \[3, 17, 17\]"),
        (GOOD[:0], "at least 1 image, not 0"),
    ],
)
def test_mistakes_are_named_in_one_sentence(images, message):
    with pytest.raises(UserError, match=message) as caught:
        power_spectrum(images)
    assert "\n" not in str(caught.value)


def test_spectra_that_do_not_compare_are_named():
    with pytest.raises(UserError, match="8 and 4 frequencies"):
        spectrum_difference(np.ones(8), np.ones(4))
    constant = power_spectrum(np.full((2, 16, 16), 77, np.uint8))[1]
    np.testing.assert_array_equal(constant, 0)
    with pytest.raises(UserError, match="not constant"):
        spectrum_difference(np.ones(8), constant)
