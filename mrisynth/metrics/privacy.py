"""Whether generated images are copies of training images.

Every figure has its counterpart of new patients: held-out slices in the place of generated ones. Subjects are
what is counted, and intervals are over subjects.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.vq import kmeans2
from scipy.stats import rankdata

from mrisynth.metrics import intervals
from mrisynth.metrics.estimates import Interval
from mrisynth.metrics.intervals import Bootstrap, Weights
from mrisynth.metrics.neighbors import Distance, Neighbors
from mrisynth.metrics.search import Groups

_CELL_SLICES = 50
"""Held-out slices a cell of C_T has on average."""
_FEWEST_IN_CELL = 20
_MOST_CELLS = 10


@dataclasses.dataclass(frozen=True)
class Closeness:
    """How close generated images come to training images, by one measure of distance.

    Attributes:
        measure: "pixels" (1 - correlation after alignment) or "features" (Euclidean).
        generated: Distance of every generated image to its nearest training slice, [N].
        heldout: The same of every held-out slice, [M].
        closer_share: Part of the generated images that are closer than the closest 1 % of held-out slices.
        authenticity: AuthPct: part of the generated images that are farther from their nearest training slice
            than that is from every slice of other subjects.
        authenticity_heldout: The same of the held-out slices.
        c_t: C_T; far below 0 where generated images are closer than new patients.
        membership_auc: Area under the curve of an attack that guesses from the distance to the nearest
            generated image whether a subject was trained on; 0.5 is guessing.
    """

    measure: str
    generated: NDArray[np.float64]
    heldout: NDArray[np.float64]
    closer_share: Interval
    authenticity: Interval
    authenticity_heldout: Interval
    c_t: Interval
    membership_auc: Interval


@dataclasses.dataclass(frozen=True)
class Side:
    """One set of images as a measure of distance describes it.

    Attributes:
        described: [N, ...].
        subjects: Groups of the images; every image its own where they are generated.
    """

    described: NDArray
    subjects: Groups


@dataclasses.dataclass(frozen=True)
class Search:
    """Everything that was looked up with one measure of distance.

    Attributes:
        generated: Nearest training slices of the generated images.
        heldout: The same of the held-out slices.
        training: The same of the training slices, those of their own subject left out.
        training_to_generated: Distance of every training slice to its nearest generated image.
        heldout_to_generated: The same of the held-out slices.
    """

    generated: Neighbors
    heldout: Neighbors
    training: Neighbors
    training_to_generated: NDArray[np.float32]
    heldout_to_generated: NDArray[np.float32]


def search(distance: Distance, training: Side, heldout: Side, generated: Side, progress: bool) -> Search:
    """Looks up the nearest images that the rest of this module counts."""

    def find(queries: Side, references: Side, left_out: NDArray[np.intp] | None = None) -> Neighbors:
        return distance.neighbors(
            queries.described,
            references.described,
            references.subjects,
            left_out=left_out,
            progress=progress,
        )

    return Search(
        generated=find(generated, training),
        heldout=find(heldout, training),
        training=find(training, training, training.subjects.numbers),
        training_to_generated=find(training, generated).nearest,
        heldout_to_generated=find(heldout, generated).nearest,
    )


def closeness(
    distance: Distance,
    found: Search,
    training: Side,
    heldout: Side,
    generated: Side,
    closest_part: float,
    bootstrap: Bootstrap,
) -> Closeness:
    """Counts what was found.

    Args:
        distance: The measure of distance.
        found: What `search` found.
        training: Training slices.
        heldout: Held-out slices.
        generated: Generated images.
        closest_part: Of the held-out slices, against which generated images are close.
        bootstrap: For the intervals; its seed also divides space into the cells of C_T.

    Returns:
        Every figure with its interval.
    """
    # Generated images near one subject rise and fall together with it.
    near = Groups.of(training.subjects.numbers[found.generated.indices[:, 0]])
    cells = _cells(
        [distance.coordinates(side.described) for side in (training, heldout, generated)], bootstrap.seed
    )
    return Closeness(
        measure=distance.name,
        generated=found.generated.nearest.astype(np.float64),
        heldout=found.heldout.nearest.astype(np.float64),
        closer_share=closer_share(
            found.generated.nearest,
            near,
            found.heldout.nearest,
            heldout.subjects,
            closest_part,
            bootstrap,
        ),
        authenticity=_share(authentic(found.generated, found.training), near, bootstrap),
        authenticity_heldout=_share(authentic(found.heldout, found.training), heldout.subjects, bootstrap),
        c_t=c_t(found.generated.nearest, found.heldout.nearest, heldout.subjects, *cells, bootstrap),
        membership_auc=membership_auc(
            training.subjects.means(found.training_to_generated),
            heldout.subjects.means(found.heldout_to_generated),
            bootstrap,
        ),
    )


def closer_share(
    generated: NDArray[np.floating],
    generated_subjects: Groups,
    heldout: NDArray[np.floating],
    heldout_subjects: Groups,
    part: float,
    bootstrap: Bootstrap,
) -> Interval:
    """Part of the generated images that are closer to training than the closest `part` of held-out slices.

    Args:
        generated: Distances to the nearest training slice, [N].
        generated_subjects: By the subject of that slice.
        heldout: The same of held-out slices, [M].
        heldout_subjects: By their subject.
        part: As 0.01, which is also what is expected of new patients.
        bootstrap: For the interval.
    """
    order = np.argsort(heldout)

    def measure(generated_weights: Weights, heldout_weights: Weights) -> float:
        limit = intervals.weighted_quantile(heldout[order], heldout_weights[order], part)
        return float(np.average(generated < limit, weights=generated_weights))

    return bootstrap.interval(measure, generated_subjects, heldout_subjects)


def authentic(images: Neighbors, training: Neighbors) -> NDArray[np.bool_]:
    """Which images are no nearer to their nearest training slice than other subjects are (Alaa et al. 2022).

    Args:
        images: Nearest training slices of some images.
        training: Nearest training slices, of other subjects, of every training slice.

    Returns:
        [N]. The original compares with any other training sample; the neighbouring slice of the same scan
        would make everything authentic.
    """
    return images.nearest > training.nearest[images.indices[:, 0]]


def _share(true: NDArray[np.bool_], subjects: Groups, bootstrap: Bootstrap) -> Interval:
    return bootstrap.interval(lambda weights: float(np.average(true, weights=weights)), subjects)


def _cells(coordinates: list[NDArray[np.float32]], seed: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Divides space by k-means of the training slices; the cells of the held-out and generated images."""
    training, heldout, generated = coordinates
    count = min(max(1, len(heldout) // _CELL_SLICES), _MOST_CELLS)
    chosen = np.random.RandomState(seed).permutation(len(training))[:count]
    centres, _ = kmeans2(training, training[np.sort(chosen)], iter=20, minit="matrix")

    def nearest(points: NDArray[np.float32]) -> NDArray[np.intp]:
        return np.argmin(np.sum(centres**2, axis=1) - 2 * points @ centres.T, axis=1)

    return nearest(generated), nearest(heldout)


def c_t(
    generated: NDArray[np.floating],
    heldout: NDArray[np.floating],
    heldout_subjects: Groups,
    generated_cells: NDArray[np.intp],
    heldout_cells: NDArray[np.intp],
    bootstrap: Bootstrap,
) -> Interval:
    """The three-sample test for data copying (Meehan, Chaudhuri and Dasgupta 2020).

    In every cell the Mann-Whitney statistic of the distances to training, generated against held-out, as a
    z-score; then their mean, weighted by the held-out slices in the cell. Far below 0: generated images are
    closer to training than new patients are. Far above: they are farther (underfitting).

    Args:
        generated: Distances to the nearest training slice, [N].
        heldout: The same of held-out slices, [M].
        heldout_subjects: By their subject.
        generated_cells: The cell of every generated image.
        heldout_cells: The cell of every held-out slice.
        bootstrap: For the interval, for which held-out subjects are drawn.
    """
    cells = [
        cell
        for cell in np.unique(heldout_cells)
        if min(np.sum(generated_cells == cell), np.sum(heldout_cells == cell)) >= _FEWEST_IN_CELL
    ]
    if not cells:
        generated_cells, heldout_cells = np.zeros(len(generated), int), np.zeros(len(heldout), int)
        cells = [0]
    # For every held-out slice, how many generated images of its cell are farther (ties count half).
    farther = np.zeros(len(heldout))
    for cell in cells:
        ours, theirs = generated[generated_cells == cell], heldout_cells == cell
        farther[theirs] = _farther(ours, heldout[theirs])
    sizes = {cell: np.sum(generated_cells == cell) for cell in cells}

    def measure(weights: Weights) -> float:
        scores, shares = [], []
        for cell in cells:
            inside = heldout_cells == cell
            m, n = sizes[cell], weights[inside].sum()
            if n > 0:
                deviation = math.sqrt(m * n * (m + n + 1) / 12)
                scores.append((np.dot(weights[inside], farther[inside]) - m * n / 2) / deviation)
                shares.append(n)
        return float(np.average(scores, weights=shares)) if scores else math.nan

    return bootstrap.interval(measure, heldout_subjects)


def _farther(values: NDArray[np.floating], points: NDArray[np.floating]) -> NDArray[np.float64]:
    """How many of the values are larger than each point; equal ones count half."""
    ordered = np.sort(values)
    not_larger = sum(np.searchsorted(ordered, points, side) for side in ("left", "right")) / 2
    return len(values) - not_larger


def membership_auc(
    members: NDArray[np.floating], others: NDArray[np.floating], bootstrap: Bootstrap
) -> Interval:
    """Area under the curve of an attack that takes subjects near to generated images for members.

    Args:
        members: Mean distance of every training subject's slices to their nearest generated image, [S].
        others: The same of held-out subjects, [T].
        bootstrap: For the interval, for which both are drawn.

    Returns:
        The probability that a training subject is nearer than a held-out one; 0.5 is guessing.
    """

    def measure(member_weights: Weights, other_weights: Weights) -> float:
        drawn = [
            np.repeat(values, weights.astype(int))
            for values, weights in ((members, member_weights), (others, other_weights))
        ]
        return auc(*drawn)

    each = [Groups.of(np.arange(len(values))) for values in (members, others)]
    return bootstrap.interval(measure, *each)


def auc(near: NDArray[np.floating], far: NDArray[np.floating]) -> float:
    """The probability that a value of the first is smaller than one of the second; equal ones count half."""
    ranks = rankdata(np.concatenate([far, near]))[: len(far)]
    return float((ranks.sum() - len(far) * (len(far) + 1) / 2) / (len(near) * len(far)))


def find_copies(
    generated: Neighbors, heldout: Neighbors, closest_part: float, copy_ratio: float
) -> NDArray[np.bool_]:
    """Which generated images are copies: closer than new patients come, and to one subject alone.

    Args:
        generated: Nearest training slices of the generated images.
        heldout: The same of the held-out slices.
        closest_part: A copy is closer than this part of the held-out slices, as 0.01.
        copy_ratio: Its distance to its nearest subject is less than this part of that to any other.

    Returns:
        [N].
    """
    limit = np.quantile(heldout.nearest, closest_part, method="inverted_cdf")
    others = generated.distances[:, 1] if generated.distances.shape[1] > 1 else limit
    return (generated.nearest < limit) & (generated.nearest < copy_ratio * others)
