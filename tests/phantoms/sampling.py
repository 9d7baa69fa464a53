import nibabel
import numpy as np
from scipy import ndimage

from mrisynth.data.reading.intensities import intensity_range, to_unit_range


def sample(image, points):
    """Linear interpolation of an image at world positions in mm, [..., 3]."""
    voxels = nibabel.affines.apply_affine(np.linalg.inv(image.affine), points)
    values = np.asarray(image.dataobj, dtype=np.float32)
    return ndimage.map_coordinates(values, np.moveaxis(voxels, -1, 0), order=1)


def axial_slices(image, heights, resolution):
    """Slices of 256 mm at world heights in mm, of the image's own units, float32 [N, r, r]."""
    across = 2 * np.arange(128) - 127.0
    x, y = np.meshgrid(across, -20 - across)
    points = np.stack([np.stack([x, y, np.full_like(x, height)], axis=-1) for height in heights])
    width = 128 // resolution
    return sample(image, points).reshape(-1, resolution, width, resolution, width).mean(axis=(2, 4))


def prepared_slices(image, heights, resolution):
    """The same slices with their intensities in [-1, 1], as prepared data sets have them."""
    values = np.asarray(image.dataobj, np.float32)[::2, ::2, ::2]
    return to_unit_range(axial_slices(image, heights, resolution), intensity_range(values, (1.0, 99.5)))
