import nibabel
import numpy as np
from scipy import ndimage


def sample(image, points):
    """Linear interpolation of an image at world positions in mm, [..., 3]."""
    voxels = nibabel.affines.apply_affine(np.linalg.inv(image.affine), points)
    values = np.asarray(image.dataobj, dtype=np.float32)
    return ndimage.map_coordinates(values, np.moveaxis(voxels, -1, 0), order=1)
