"""Whether generated images are copies of training images.

Every figure has its counterpart of new subjects: held-out slices in the place of generated ones. Subjects are
what is counted, and intervals are over subjects.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
import scipy.stats
from numpy.typing import NDArray
from scipy.cluster.vq import kmeans2

from mrisynth.metrics.estimates import Interval
from mrisynth.privacy.bootstrap import Bootstrap, Weights, weighted_quantile
from mrisynth.privacy.distances import Neighbors
from mrisynth.privacy.nearest_neighbors import Groups
from mrisynth.privacy.searches import RealNeighbors, RealSides, Search, Side

_CELL_SLICES = 50
"""Held-out slices that a cell of `nearer_auc` has on average."""
_FEWEST_IN_CELL = 20
_MOST_CELLS = 10


@dataclasses.dataclass(frozen=True)
class Closeness:
    """How close generated images come to training images, by one measure of distance.

    Attributes:
        generated: Distance of every generated image to its nearest training slice, [N].
        heldout: Distance of every held-out slice to its nearest training slice, [M].
        limit: Distance that the closest held-out slices, such as 1 %, do not exceed.
        expected_share: Part of new subjects' slices that are expected to be closer than that distance.
        closer_share: Part of the generated images that are closer than that distance.
        authenticity: AuthPct: part of the generated images that are farther from their nearest training slice
            than that is from every slice of other subjects.
        authenticity_heldout: AuthPct of the held-out slices.
        nearer_auc: How often a generated image is nearer to training slices than a new subject's slice of
            its kind; 0.5 where generated images are like new subjects.
        membership_auc: Area under the curve of an attack that guesses from the distance to the nearest
            generated image whether a subject was trained on; 0.5 is guessing.
    """

    generated: NDArray[np.float64]
    heldout: NDArray[np.float64]
    limit: float
    expected_share: float
    closer_share: Interval
    authenticity: Interval
    authenticity_heldout: Interval
    nearer_auc: Interval
    membership_auc: Interval

    @property
    def authenticity_loss(self) -> Interval:
        """How much smaller AuthPct of the generated images is than that of new subjects; 0 where it is not.

        The interval of the difference is that of two independent estimates (Zou and Donner 2008).
        """
        ours, theirs = self.authenticity, self.authenticity_heldout
        loss = theirs.value - ours.value
        return Interval(
            loss,
            loss - math.hypot(theirs.value - theirs.low, ours.high - ours.value),
            loss + math.hypot(theirs.high - theirs.value, ours.value - ours.low),
        )


def closeness(
    sides: RealSides, found: Search, generated: Side, closest_part: float, bootstrap: Bootstrap
) -> Closeness:
    """Counts what was found.

    Args:
        sides: The data set by a measure of distance.
        found: What was looked up of generated images.
        generated: These images by the same measure.
        closest_part: Part of the held-out slices against which generated images are close.
        bootstrap: For the intervals; its seed also divides space into the cells of `nearer_auc`.

    Returns:
        Every figure with its interval.
    """
    training, heldout = sides.training.subjects, sides.heldout.subjects
    members, others = sides.to_generated(generated)
    ours, theirs = found.generated.nearest, found.real.heldout.nearest
    distances = np.sort(theirs).astype(np.float64)
    limit = weighted_quantile(distances, np.ones(len(distances)), closest_part)
    # Generated images near one subject rise and fall together with it.
    near = Groups.of(training.numbers[found.generated.indices[:, 0]])
    described = (side.described for side in (sides.training, sides.heldout, generated))
    cells = _cells([sides.distance.coordinates(each) for each in described], bootstrap.seed)
    return Closeness(
        generated=ours.astype(np.float64),
        heldout=theirs.astype(np.float64),
        limit=limit,
        # Between as many as there are, a new one is as likely to come before the first as between any two.
        expected_share=float(np.sum(distances <= limit) / (len(distances) + 1)),
        closer_share=closer_share(ours, near, theirs, heldout, closest_part, bootstrap),
        authenticity=_share(authentic(found.generated, found.real.training), near, bootstrap),
        authenticity_heldout=_share(authentic(found.real.heldout, found.real.training), heldout, bootstrap),
        nearer_auc=nearer_auc(ours, near, theirs, heldout, *cells, bootstrap),
        membership_auc=membership_auc(training.means(members), heldout.means(others), bootstrap),
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
        generated_subjects: Generated images by the subject of their nearest training slice.
        heldout: Distances of held-out slices to the nearest training slice, [M].
        heldout_subjects: Held-out slices by their subject.
        part: Part of the held-out slices, as 0.01, which is also what is expected of new subjects.
        bootstrap: For the interval.
    """
    order = np.argsort(heldout)

    def measure(generated_weights: Weights, heldout_weights: Weights) -> float:
        limit = weighted_quantile(heldout[order], heldout_weights[order], part)
        return float(np.average(generated < limit, weights=generated_weights))

    return bootstrap.interval(measure, generated_subjects, heldout_subjects)


def authentic(images: Neighbors, training: Neighbors) -> NDArray[np.bool_]:
    """Which images are no nearer to their nearest training slice than other subjects are (Alaa et al. 2022).

    Args:
        images: Nearest training slices of some images.
        training: Nearest training slices, of other subjects, of every training slice.

    Returns:
        [N]. The original compares with any other training sample; the neighboring slice of the same scan
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
    centers, _ = kmeans2(training, training[np.sort(chosen)], iter=20, minit="matrix")

    def nearest(points: NDArray[np.float32]) -> NDArray[np.intp]:
        return np.argmin(np.sum(centers**2, axis=1) - 2 * points @ centers.T, axis=1)

    return nearest(generated), nearest(heldout)


def nearer_auc(
    generated: NDArray[np.floating],
    generated_subjects: Groups,
    heldout: NDArray[np.floating],
    heldout_subjects: Groups,
    generated_cells: NDArray[np.intp],
    heldout_cells: NDArray[np.intp],
    bootstrap: Bootstrap,
) -> Interval:
    """How often a generated image is nearer to training slices than a held-out slice of its cell.

    This is the three-sample test for data copying, C_T (Meehan, Chaudhuri and Dasgupta 2020), as an area
    under the curve: in every cell the Mann-Whitney statistic of the distances to training as a part of all
    pairs, then the mean, weighted by the held-out slices in the cell. C_T itself takes the statistic as a
    z-score, which grows with the number of images and so has no limit that holds for any number.

    Args:
        generated: Distances to the nearest training slice, [N].
        generated_subjects: Generated images by the subject of their nearest training slice.
        heldout: Distances of held-out slices to the nearest training slice, [M].
        heldout_subjects: Held-out slices by their subject.
        generated_cells: The cell of every generated image.
        heldout_cells: The cell of every held-out slice.
        bootstrap: For the interval.

    Returns:
        0 to 1. Above 0.5, generated images are closer to training than new subjects are; below, they are
        farther (underfitting).
    """
    cells = [
        (generated_cells == cell, heldout_cells == cell)
        for cell in np.unique(heldout_cells)
        if min(np.sum(generated_cells == cell), np.sum(heldout_cells == cell)) >= _FEWEST_IN_CELL
    ]
    cells = cells or [(np.ones(len(generated), bool), np.ones(len(heldout), bool))]
    counts = [_FartherCount(generated[ours], heldout[theirs]) for ours, theirs in cells]

    def measure(generated_weights: Weights, heldout_weights: Weights) -> float:
        areas, shares = [], []
        for (ours, theirs), count in zip(cells, counts, strict=True):
            m, n = generated_weights[ours].sum(), heldout_weights[theirs].sum()
            if m > 0 and n > 0:
                areas.append(1 - count(generated_weights[ours], heldout_weights[theirs]) / (m * n))
                shares.append(n)
        return float(np.average(areas, weights=shares)) if areas else math.nan

    return bootstrap.interval(measure, generated_subjects, heldout_subjects)


class _FartherCount:
    """Counts pairs of weighted values of which the first is larger; equal ones count half."""

    def __init__(self, values: NDArray[np.floating], points: NDArray[np.floating]) -> None:
        self._order = np.argsort(values)
        ordered = values[self._order]
        self._places = [np.searchsorted(ordered, points, side) for side in ("left", "right")]

    def __call__(self, value_weights: Weights, point_weights: Weights) -> float:
        up_to = np.concatenate([[0], np.cumsum(value_weights[self._order])])
        not_larger = sum(up_to[places] for places in self._places) / 2
        return float(point_weights @ (up_to[-1] - not_larger))


def membership_auc(
    members: NDArray[np.floating], others: NDArray[np.floating], bootstrap: Bootstrap
) -> Interval:
    """Area under the curve of an attack that takes subjects near to generated images for members.

    Args:
        members: Mean distance of every training subject's slices to their nearest generated image, [S].
        others: Mean distance of every held-out subject's slices to their nearest generated image, [T].
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
    ranks = scipy.stats.rankdata(np.concatenate([far, near]))[: len(far)]
    return float((ranks.sum() - len(far) * (len(far) + 1) / 2) / (len(near) * len(far)))


@dataclasses.dataclass(frozen=True)
class Copies:
    """Images that count as copies, and how often new subjects' slices do.

    Attributes:
        by_measure: Which generated images count as copies by each measure of distance, [measures, N].
        controls: How many slices of new subjects count as copies: held-out ones, and training slices
            compared with the other training subjects.
        control_count: How many slices of new subjects there are.
    """

    by_measure: NDArray[np.bool_]
    controls: int
    control_count: int

    @property
    def generated(self) -> NDArray[np.bool_]:
        """Which generated images count as copies by any measure of distance, [N]."""
        return self.by_measure.any(axis=0)

    @property
    def count(self) -> int:
        """How many generated images count as copies."""
        return int(self.generated.sum())

    @property
    def share(self) -> Interval:
        """Part of the images that count as copies, with its interval (Clopper and Pearson 1934).

        Every image is a draw of its own, whatever the subjects are.
        """
        count, total = self.count, self.by_measure.shape[1]
        low = scipy.stats.beta.ppf(0.025, count, total - count + 1) if count else 0.0
        high = scipy.stats.beta.ppf(0.975, count + 1, total - count) if count < total else 1.0
        return Interval(count / total, float(low), float(high))

    def most_by_chance(self, confidence: float = 0.95) -> float:
        """Part of the generated images that may count as copies because new subjects' slices do.

        Returns:
            The upper end of a one-sided interval of the controls' share (Clopper and Pearson 1934).
        """
        if self.controls == self.control_count:
            return 1.0
        others = self.control_count - self.controls
        return float(scipy.stats.beta.ppf(confidence, self.controls + 1, others))


def find_copies(found: Sequence[Search], copy_ratio: float) -> Copies:
    """Counts what is alone with one training subject, by any measure of distance.

    Args:
        found: What was looked up, by each measure.
        copy_ratio: A copy's distance to its nearest subject is less than this part of that to any other.

    Returns:
        The copies, and the same of new subjects.
    """
    generated, controls = [], []
    for one in found:
        generated.append(is_alone(one.generated, one.real, copy_ratio))
        new = (one.real.heldout, one.real.training)
        controls.append(np.concatenate([is_alone(each, one.real, copy_ratio) for each in new]))
    flagged = np.logical_or.reduce(controls)
    return Copies(np.stack(generated), int(flagged.sum()), len(flagged))


def is_alone(images: Neighbors, real: RealNeighbors, copy_ratio: float) -> NDArray[np.bool_]:
    """Which images are alone with one person who was trained on: what `find_copies` counts by each measure.

    They are much closer to one person than to any other, and closer than half of the held-out slices.
    """
    return aloneness(images, real, copy_ratio) < copy_ratio


def aloneness(images: Neighbors, real: RealNeighbors, copy_ratio: float) -> NDArray[np.floating]:
    """How much closer images are to one training subject than to any other.

    A person who is there under several names hides copies of himself, which are as near to all of them. The
    names show in his own slices, which are alone with each other; images that are alone with all of them are
    alone with one person.

    Args:
        images: Their nearest training slices.
        real: What is looked up of the data set.
        copy_ratio: See `find_copies`; below this, slices are alone.

    Returns:
        The distance to the nearest subject divided by that to the next, 0 to 1, [N]; infinite for images that
        are no closer than half of the held-out slices are, and where there is no other subject. Of what is
        alone with one person under several names, the distance to the farthest of these is divided.
    """
    is_near = (images.nearest < np.median(real.heldout.nearest))[:, np.newaxis]
    steps = np.where(is_near, _steps(images.distances), np.inf)
    if not steps.shape[1]:
        return np.full(len(steps), np.inf)
    among_names = _steps(real.training.distances)[images.indices[:, 0], : steps.shape[1] - 1] < copy_ratio
    alone = np.where(among_names & (steps[:, 1:] < copy_ratio), steps[:, 1:], np.inf)
    return np.minimum(steps[:, 0], alone.min(axis=1, initial=np.inf))


def _steps(distances: NDArray[np.floating]) -> NDArray[np.floating]:
    """Each distance divided by the next, [N, K] -> [N, K - 1]; infinite if that is 0 or infinite."""
    nearer, farther = distances[:, :-1], distances[:, 1:]
    steps = np.full(nearer.shape, np.inf)
    counted = np.isfinite(farther) & (farther > 0)
    steps[counted] = nearer[counted] / farther[counted]
    return steps
