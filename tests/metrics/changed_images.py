"""Images that something has been done to."""

import numpy as np


def change(images, function):
    """What a function makes of each image as numbers from 0 to 255, rounded and clipped."""
    changed = np.stack([function(image.astype(np.float64)) for image in images])
    return np.clip(np.rint(changed), 0, 255).astype(np.uint8)
