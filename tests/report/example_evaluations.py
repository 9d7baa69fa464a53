"""Plausible evaluations of images that are drawn from ellipses: no scan was needed."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np

from mrisynth.evaluation.fidelity import (
    ACCURACY,
    AS_REAL,
    BY_MASK,
    CORRELATION,
    ERROR,
    LESS,
    UNCLEAR,
    UNREADABLE,
    Fidelity,
    Moved,
    Shown,
)
from mrisynth.evaluation.results import Evaluation, PowerSpectrum
from mrisynth.metrics.estimates import Interval, Measure, Spread
from mrisynth.privacy import verdict
from mrisynth.privacy.copying import ClosePair, Privacy
from mrisynth.privacy.label_copies import CellCopies
from mrisynth.privacy.statistics import Closeness
from mrisynth.privacy.verdict import (
    COPIES_FOUND,
    HARMFUL,
    HARMLESS,
    INCONCLUSIVE,
    NO_SIGN,
    OPEN,
    Figure,
    Thresholds,
    Verdict,
)
from mrisynth.utility.experiment import BLIND, GENERATED, REAL, Row, Utility

REASONS = {
    NO_SIGN: (
        "No generated image counts as a copy.",
        "Generated images come no closer to training slices than slices of new subjects do, "
        "by gray values and by features.",
    ),
    INCONCLUSIVE: ("There are 6 held-out subjects; below 8 the intervals are too wide to tell.",),
    COPIES_FOUND: (
        "3 generated images correlate with a training slice by more than 0.98.",
        "9.1 % of the generated images are closer to a training slice than the closest 1 % of held-out ones.",
    ),
}


def draw_heads(count: int, size: int, seed: int) -> np.ndarray:
    """Heads of ellipses with ventricles and some noise, uint8 [count, size, size, 1]."""
    generator = np.random.default_rng(seed)
    down, right = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j]
    images = np.empty((count, size, size, 1))
    for image in images[..., 0]:
        tall, wide = generator.uniform(0.68, 0.9), generator.uniform(0.52, 0.74)
        radius = np.sqrt((down / tall) ** 2 + (right / wide) ** 2)
        image[:] = 130 * (radius < 1) - 90 * ((radius > 0.86) & (radius < 0.93))
        image += 24 * (radius < 0.82) * np.sin(generator.uniform(7, 16) * right + generator.uniform(0, 6))
        for side in (-1, 1):
            ventricle = ((down - generator.uniform(-0.15, 0.1)) / 0.24) ** 2
            ventricle += ((right + side * generator.uniform(0.1, 0.16)) / 0.09) ** 2
            image[ventricle < 1] = 35
        image[:] = np.where(radius < 1, image + generator.normal(0, 9, image.shape), 2)
    return np.clip(images, 0, 255).astype(np.uint8)


def make_evaluation(
    words: str = NO_SIGN,
    size: int = 64,
    samples: int = 64,
    pairs: int = 12,
    short: bool = False,
    kind: str = "scans",
) -> Evaluation:
    """An evaluation with this verdict, all numbers of which fit it."""
    generator = np.random.default_rng(7)
    return Evaluation(
        short=short,
        date="2026-02-14",
        environment={"mrisynth": "0.1.0", "tensorflow": "2.21.0", "numpy": "2.4.6"},
        generator={"model": "c", "resolution": size, "latent_size": 512, "truncation": 0.75},
        data={
            "fingerprint": "0123456789abcdef" * 4,
            "kind": kind,
            "training_subjects": 65,
            "training_slices": 2069,
            "heldout_subjects": 18,
            "heldout_slices": 561,
            "generated_images": 2000,
        },
        features="Inception v3, trained on ImageNet, 2,048 features of the last pooling layer",
        measures=make_measures(),
        joined_halves={
            "left_right": {"swd/64": Spread(6.21, 0.1), "swd/32": Spread(5.61, 0.1)},
            "top_bottom": {"swd/64": Spread(6.42, 0.1), "swd/32": Spread(5.89, 0.1)},
        },
        spectra={"image": make_spectrum(generator)},
        fidelity=None,
        privacy=make_privacy(words, size, pairs, generator),
        utility=None if short else make_utility(),
        samples=draw_heads(samples, size, 1),
        real=draw_heads(samples, size, 2),
        interpolation=draw_heads(4 * 8, size, 3).reshape(4, 8, size, size, 1),
    )


def make_conditional(**settings: Any) -> Evaluation:
    """The same of a generator that is asked for labels."""
    evaluation = make_evaluation(**settings)
    privacy = dataclasses.replace(evaluation.privacy, cells=make_cells())
    return dataclasses.replace(evaluation, fidelity=make_fidelity(), privacy=privacy)


def make_fidelity() -> Fidelity:
    """What was asked for and what came, of a generator that shows all but the age."""
    shown = (
        Shown("suffix", ACCURACY, 0.981, Interval(0.99, 0.97, 1.0), 0.961, 0.51, ratio(0.991), AS_REAL),
        Shown("participant/age", ERROR, 14.2, Interval(9.1, 8.2, 9.9), 12.3, 11.8, ratio(0.641), LESS),
        Shown(
            *("lesion_fraction", CORRELATION + BY_MASK, 0.912, Interval(0.97, 0.91, 0.99)),
            *(None, 0.0, ratio(0.941), UNCLEAR),
        ),
        Shown("site", ACCURACY, 0.31, Interval(0.32, 0.2, 0.44), 0.29, 0.33, None, UNREADABLE),
    )
    moved = (Moved("suffix", "participant/age", 0.031), Moved("participant/age", "suffix", 0.124))
    return Fidelity(images=2000, shown=shown, moved=moved)


def ratio(value: float) -> Interval:
    return Interval(value, value - 0.04, value + 0.04)


def make_cells() -> tuple[CellCopies, ...]:
    """Copies by what was asked for: of men with T1w there are too few."""
    return (
        CellCopies({"suffix": "FLAIR"}, 1900, 41, 2, {"gray_values": 0.011, "features": 0.023}),
        CellCopies({"suffix": "T1w"}, 100, None, None, {}),
    )


def make_measures() -> dict[str, Measure]:
    return {
        "frechet": Measure(Spread(38.21, 0.61), Spread(9.774, 0.23)),
        "kernel": Measure(Spread(-3.2e-7, 4e-8), Spread(2.5e-7, 1e-8)),
        "precision": Measure(Spread(0.7113, 0.012), Spread(0.8302, 0.009)),
        "swd/64": Measure(Spread(21.37, 0.412), Spread(6.083, 0.133)),
        "swd/32": Measure(Spread(14.92, 0.287), Spread(5.514, 0.092)),
        "swd/16": Measure(Spread(1234.56, 18.3), Spread(0.0, 0.0)),
        "ms_ssim": Measure(Spread(0.30412, 0.0017), Spread(0.28931, 0.0021)),
        "recall": Measure(Spread(0.4216, 0.019), Spread(0.8197, 0.011)),
    }


def make_utility() -> Utility:
    part = Interval(0.8, 0.7, 0.9)
    rows = {
        REAL: Row(2093, Interval(0.655, 0.53, 0.77), Interval(1.0, 1.0, 1.0), (0.65, 0.66, 0.655)),
        GENERATED: Row(2093, Interval(0.524, 0.4, 0.62), part, (0.5, 0.54, 0.53)),
        BLIND: Row(0, Interval(0.1, 0.08, 0.12), Interval(0.15, 0.12, 0.2), (0.1, 0.1, 0.1)),
    }
    return Utility("segmentation", "lesion mask", "Dice", 64, 2000, 16, 17, rows)


def make_spectrum(generator: np.random.Generator) -> PowerSpectrum:
    frequencies = np.linspace(1 / 64, 0.5, 32)
    training = 3e3 * frequencies**-2.4
    wobble = np.exp(generator.normal(0, 0.03, (2, 32)))
    return PowerSpectrum(
        frequencies, training * wobble[0] * (1 - 0.7 * frequencies), training, training * wobble[1]
    )


def make_privacy(words: str, size: int, pairs: int, generator: np.random.Generator) -> Privacy:
    copied = 3 if words == COPIES_FOUND else 0
    uncertain = 4 if words == INCONCLUSIVE else 1
    heldout = 0.05 + generator.gamma(6, 0.022, 561)
    generated = 0.06 + generator.gamma(6, 0.022, 2000)
    if copied:
        generated[:180] = generator.uniform(0.004, 0.06, 180)

    def interval(value: float, half: float) -> Interval:
        return Interval(value, max(value - uncertain * half, -9.0), value + uncertain * half)

    closeness = {
        measure: Closeness(
            generated=scale * generated,
            heldout=scale * heldout,
            limit=scale * float(np.sort(heldout)[5]),
            expected_share=6 / 562,
            closer_share=Interval(0.091, 0.071, 0.117)
            if copied
            else Interval(0.0062, 0.0021, 0.0093 * uncertain),
            authenticity=interval(0.412 if copied else 0.713, 0.031),
            authenticity_heldout=interval(0.696, 0.042),
            nearer_auc=interval(0.83 if copied else 0.48, 0.052),
            membership_auc=interval(0.871 if copied else 0.523, 0.047),
        )
        for measure, scale in (("gray_values", 1.0), ("features", 41.0))
    }
    return Privacy(
        verdict=Verdict(words, REASONS[words], tuple(make_figures(closeness, copied))),
        closeness=closeness,
        copies=copied,
        copies_by={"gray_values": copied, "features": 0, "embedding": copied, "patches": 0},
        controls=0,
        control_count=2563,
        closest_pairs=tuple(make_pair(index, size, copied) for index in range(pairs)),
        thresholds=Thresholds(copy_ratio=0.31),
    )


def make_figures(closeness: dict[str, Closeness], copied: int) -> Iterator[Figure]:
    def judge(name: str, distance: str, interval: Interval, expected: float, limit: float) -> Figure:
        finding = HARMFUL if interval.low > limit else HARMLESS if interval.high <= limit else OPEN
        return Figure(name, distance, interval, expected, limit, finding, f"{name} by {distance}.")

    share = copied / 2000
    yield judge(
        verdict.COPIES, "", Interval(share, share / 3, share + 0.0015), 0.0, 0.0004 if copied else 0.0075
    )
    for distance, found in closeness.items():
        for name, interval, expected, limit in (
            (verdict.MEMBERSHIP, found.membership_auc, 0.5, 0.7),
            (verdict.CLOSER, found.closer_share, found.expected_share, 0.1),
            (verdict.NEARER, found.nearer_auc, 0.5, 0.7),
            (verdict.AUTHENTICITY, found.authenticity_loss, 0.0, 0.2),
        ):
            yield judge(name, distance, interval, expected, limit)


def make_pair(index: int, size: int, copied: int) -> ClosePair:
    copy = index < copied
    training = draw_heads(1, size, 100 + index)[0]
    noise = np.random.default_rng(index).normal(0, 4, training.shape)
    generated = (
        np.clip(training + noise, 0, 255).astype(np.uint8) if copy else draw_heads(1, size, 200 + index)[0]
    )
    return ClosePair(
        generated=generated,
        training=training,
        ratio=0.031 + 0.04 * index if copy else 0.41 + 0.03 * index,
        distance=("gray_values", "features")[index % 2],
        correlation=0.9931 - 0.001 * index if copy else 0.9312 - 0.0043 * index,
        mirrored=index % 3 == 1,
        shift=((0, 0), (2, -1), (0, 3))[index % 3],
        feature_distance=4.217 + 0.31 * index,
        copy=copy,
    )
