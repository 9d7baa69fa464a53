"""Images of made-up subjects, and copies of images, for tests of how close images are."""

import numpy as np


def draw_subjects(subjects, slices, seed=0, size=64):
    """Smooth blobs that change from slice to slice of a subject, [subjects * slices, size, size]."""
    random = np.random.RandomState(seed)
    y, x = np.mgrid[:size, :size] / size
    images = []
    for _ in range(subjects):
        blobs = np.column_stack(
            [random.uniform(0.25, 0.75, (8, 2)), random.uniform(0.04, 0.1, 8), random.uniform(40, 160, 8)]
        )
        drift = random.normal(0, 0.01, (8, 2))
        for number in range(slices):
            places = blobs[:, :2] + number * drift
            image = sum(
                height * np.exp(-((y - row) ** 2 + (x - column) ** 2) / (2 * width**2))
                for (row, column), width, height in zip(places, blobs[:, 2], blobs[:, 3], strict=True)
            )
            images.append(np.clip(np.rint(image), 0, 255))
    return np.array(images).astype(np.uint8)


def plant(images, seed=0, noise=4):
    """Copies: mirrored at random, shifted by up to 1/16 of the width, other brightness, noise."""
    random = np.random.RandomState(seed)
    copies, reach = [], images.shape[1] // 16
    for image in images:
        turned = image[:, ::-1] if random.randint(2) else image
        row, column = random.randint(0, 2 * reach + 1, 2)
        framed = np.pad(turned, reach, constant_values=turned.min()).astype(float)
        moved = framed[row : row + len(image), column : column + len(image)]
        changed = (
            random.uniform(0.7, 1) * moved + random.uniform(0, 20) + random.normal(0, noise, moved.shape)
        )
        copies.append(np.clip(np.rint(changed), 0, 255))
    return np.array(copies).astype(np.uint8)
