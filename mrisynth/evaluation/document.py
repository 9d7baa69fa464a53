"""results.json: an evaluation as a plain document, for programs."""

from __future__ import annotations

import json
import os
import pathlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mrisynth.atomic_io import write_text_aside
from mrisynth.evaluation.results import Evaluation, Measure, PowerSpectrum, Privacy
from mrisynth.metrics.estimates import Interval, Spread
from mrisynth.privacy.statistics import Closeness

FORMAT = "mrisynth evaluation"
FORMAT_VERSION = 1


def to_json(evaluation: Evaluation) -> dict[str, Any]:
    """An evaluation as what the json module writes: all of its numbers, none of its images.

    Args:
        evaluation: What was found out.

    Returns:
        Measures by key, distances by the measure of distance, as their 0th to 100th percentiles.

    Raises:
        ValueError: If two measures share a key.
    """
    measures = {measure.key: _measure(measure) for measure in evaluation.measures}
    if len(measures) < len(evaluation.measures):
        raise ValueError("two measures share a key")
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "short": evaluation.short,
        "date": evaluation.date,
        "environment": dict(evaluation.environment),
        "generator": dict(evaluation.generator),
        "data": dict(evaluation.data),
        "features": evaluation.features,
        "measures": measures,
        "spectrum": _spectrum(evaluation.spectrum),
        "privacy": _privacy(evaluation.privacy),
    }


def write_results(evaluation: Evaluation, path: str | os.PathLike[str]) -> None:
    """Writes results.json, first aside, then renamed.

    Args:
        evaluation: What was found out.
        path: Of the file.

    Raises:
        ValueError: If a number is not finite, which JSON has no word for.
        OSError: If it cannot be written.
    """
    text = json.dumps(to_json(evaluation), indent=2, allow_nan=False, ensure_ascii=False)
    write_text_aside(pathlib.Path(path), text + "\n")


def _measure(measure: Measure) -> dict[str, Any]:
    return {
        "group": measure.group,
        "title": measure.title,
        "better": measure.better,
        "generated": _spread(measure.generated),
        "real": _spread(measure.real),
        "note": measure.note,
    }


def _spectrum(spectrum: PowerSpectrum) -> dict[str, list[float]]:
    return {
        "frequencies": spectrum.frequencies.tolist(),
        "generated": spectrum.generated.tolist(),
        "training": spectrum.training.tolist(),
        "heldout": spectrum.heldout.tolist(),
    }


def _privacy(privacy: Privacy) -> dict[str, Any]:
    return {
        "verdict": privacy.verdict.words,
        "reasons": list(privacy.verdict.reasons),
        "copies": privacy.copies,
        "controls": privacy.controls,
        "control_count": privacy.control_count,
        "thresholds": dict(privacy.thresholds),
        "closeness": {closeness.measure: _closeness(closeness) for closeness in privacy.closeness},
        "closest_pairs": [
            {
                "correlation": float(pair.correlation),
                "feature_distance": float(pair.feature_distance),
                "mirrored": bool(pair.mirrored),
                "shift": [int(pixels) for pixels in pair.shift],
                "copy": bool(pair.copy),
            }
            for pair in privacy.pairs
        ],
    }


def _closeness(closeness: Closeness) -> dict[str, Any]:
    return {
        "limit": closeness.limit,
        "expected_share": closeness.expected_share,
        "closer_share": _interval(closeness.closer_share),
        "authenticity": _interval(closeness.authenticity),
        "authenticity_heldout": _interval(closeness.authenticity_heldout),
        "c_t": _interval(closeness.c_t),
        "membership_auc": _interval(closeness.membership_auc),
        "generated": _distances(closeness.generated),
        "heldout": _distances(closeness.heldout),
    }


def _distances(distances: NDArray[np.float64]) -> dict[str, Any]:
    percentiles = np.percentile(distances, np.arange(101))
    return {"images": len(distances), "percentiles": percentiles.astype(float).tolist()}


def _spread(spread: Spread) -> dict[str, float]:
    return {"mean": float(spread.mean), "standard_deviation": float(spread.standard_deviation)}


def _interval(interval: Interval) -> dict[str, float]:
    return {"value": float(interval.value), "low": float(interval.low), "high": float(interval.high)}
