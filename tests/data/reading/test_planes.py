import numpy as np
import pytest

from mrisynth.data.reading.planes import PLANES


@pytest.mark.parametrize("plane", PLANES)
def test_a_stack_of_images_goes_back_to_its_volume(plane):
    volume = np.random.default_rng(0).normal(size=(2, 3, 4))
    images = PLANES[plane].to_images(volume)
    np.testing.assert_array_equal(PLANES[plane].to_volume(images), volume)
