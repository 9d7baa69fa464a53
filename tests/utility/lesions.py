"""Made-up slices with lesions: bright discs on smooth textures."""

import numpy as np
from scipy import ndimage

from mrisynth.utility.learner import Examples


def draw_lesions(count, seed, size=16):
    """Examples of slices, most with one disc, which the mask marks."""
    random = np.random.RandomState(seed)
    down, right = np.mgrid[:size, :size]
    images, masks = [], []
    for _ in range(count):
        texture = ndimage.gaussian_filter(random.normal(0, 1, (size, size)), 2)
        row, column = random.uniform(0.2 * size, 0.8 * size, 2)
        radius = random.uniform(1.5, 3) if random.uniform() < 0.8 else 0
        disc = np.hypot(down - row, right - column) < radius
        images.append(np.where(disc, 200, 90 + 150 * texture) + random.normal(0, 5, (size, size)))
        masks.append(disc)
    gray = np.clip(np.rint(images), 0, 255).astype(np.uint8)
    return Examples(gray[..., None], np.array(masks, np.uint8)[..., None])
