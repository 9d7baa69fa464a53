import pytest

from mrisynth.benchmarks import release
from mrisynth.networks import NetworkConfig


@pytest.mark.slow
def test_every_format_is_measured_beside_the_bare_generator():
    network = NetworkConfig(16, latent_size=8, fmap_base=32, fmap_max=8)
    rates = release.measure(network, images=20, rounds=1)
    assert next(iter(rates)) == release.BARE
    assert {"nifti", "png", "npy", "dicom"} < rates.keys()
    assert all(rate > 0 for rate in rates.values())


def test_formats_as_parts_of_the_generators_own_speed():
    lines = release.table(64, {release.BARE: 500.0, "png": 400.0}).splitlines()
    assert lines[0].startswith("images/s of 64x64")
    assert [line.split() for line in lines[1:]] == [["bare", "500.0", "100%"], ["png", "400.0", "80%"]]
