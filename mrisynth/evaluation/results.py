"""What an evaluation finds: what results.json and the report are made from."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mrisynth.atomic_io import write_json_aside
from mrisynth.errors import UserError
from mrisynth.evaluation.fidelity import Fidelity
from mrisynth.evaluation.likeness import unlike_the_data
from mrisynth.metrics import registry
from mrisynth.metrics.estimates import Measure, Spread
from mrisynth.privacy.copying import NotExamined, Privacy
from mrisynth.privacy.statistics import Closeness
from mrisynth.utility.experiment import Utility

FORMAT = "mrisynth results"
FORMAT_VERSION = 1


@dataclasses.dataclass(frozen=True)
class PowerSpectrum:
    """Radially averaged power spectra, means over the images of a set.

    Attributes:
        frequencies: Cycles per pixel, [F], from 0 (without it) to 0.5.
        generated: [F].
        training: [F].
        heldout: [F].
    """

    frequencies: NDArray[np.float64]
    generated: NDArray[np.float64]
    training: NDArray[np.float64]
    heldout: NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """Everything that was found out about a generator.

    Attributes:
        short: Whether it is the short form, with fewer images.
        date: Day of the evaluation, YYYY-MM-DD.
        environment: Versions by package.
        generator: What was evaluated, by name: model, checksums, resolution, settings. No paths.
        data: The fingerprint, and counts by name: subjects and slices of each side, images compared.
        features: Which feature extractor, in words.
        measures: Measures by key, in the order of tables (see `mrisynth.metrics.registry.find`).
        joined_halves: Measures by key of training slices whose halves are of two subjects, by which halves
            (see `mrisynth.evaluation.joined_halves.TITLES`).
        spectra: Power spectra by channel.
        fidelity: What was asked for and what came; None where it was not measured.
        privacy: The answer to the question of copies.
        utility: What networks reach that are trained on the images; None where it was not tried out.
        samples: Generated images, uint8 [N, H, H, C], none picked.
        real: Training images, uint8 [N, H, H, C], for comparison.
        interpolation: Rows of images from latent to latent, uint8 [rows, steps, H, H, C].
    """

    short: bool
    date: str
    environment: Mapping[str, str]
    generator: Mapping[str, str | int | float]
    data: Mapping[str, int | str]
    features: str
    measures: Mapping[str, Measure]
    joined_halves: Mapping[str, Mapping[str, Spread]]
    spectra: Mapping[str, PowerSpectrum]
    fidelity: Fidelity | None
    privacy: Privacy | NotExamined
    utility: Utility | None
    samples: NDArray[np.uint8]
    real: NDArray[np.uint8]
    interpolation: NDArray[np.uint8]

    @property
    def unlike_the_data(self) -> str:
        """What is to be said beside the verdict if the images are not like the data; empty if they are."""
        return unlike_the_data(self.measures)

    @property
    def faults(self) -> tuple[str, ...]:
        """The figures that are not numbers, in words."""
        paths = to_json(self)["faults"]
        return tuple(dict.fromkeys(_in_words(path.split(".")) for path in paths))


def to_json(evaluation: Evaluation) -> dict[str, Any]:
    """An evaluation as what the json module writes: all of its numbers, none of its images.

    Distances of images are written as their 0th to 100th percentiles. A number that is not finite, for which
    JSON has no word, is null, and `faults` has the path of its keys, as "measures.ms_ssim.real.mean".
    """
    faults: list[str] = []
    document = _only_finite(_encode(evaluation), "", faults)
    unlike = evaluation.unlike_the_data
    head = {"format": FORMAT, "format_version": FORMAT_VERSION}
    return {**head, **document, "unlike_the_data": unlike, "faults": faults}


def _only_finite(value: Any, path: str, faults: list[str]) -> Any:
    """A document with null for numbers that are not finite, the paths of which are added to the faults."""
    if isinstance(value, dict):
        return {
            key: _only_finite(item, f"{path}.{key}" if path else key, faults) for key, item in value.items()
        }
    if isinstance(value, list):
        return [_only_finite(item, path, faults) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        if path not in faults:
            faults.append(path)
        return None
    return value


def _in_words(path: list[str]) -> str:
    """The path of a fault for people: which measure of which images, or the keys as they are."""
    if path[0] == "measures":
        *key, side, _ = path[1:]
        return f"{registry.full_title('.'.join(key))}, of {side} images"
    return ", ".join(key for key in path if key not in ("value", "low", "high")).replace("_", " ")


def _encode(value: object) -> Any:
    if isinstance(value, Closeness):
        distances = {name: _percentiles(getattr(value, name)) for name in ("generated", "heldout")}
        return _encode(vars(value) | distances)
    if dataclasses.is_dataclass(value):
        return _encode(vars(value))
    if isinstance(value, Mapping):
        return {key: _encode(item) for key, item in value.items() if not _is_image(item)}
    if isinstance(value, tuple):
        return [_encode(item) for item in value]
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value


def _is_image(value: object) -> bool:
    return isinstance(value, np.ndarray) and value.dtype == np.uint8


def _percentiles(distances: NDArray[np.float64]) -> dict[str, Any]:
    with np.errstate(invalid="ignore"):  # Between infinite distances.
        return {"images": len(distances), "percentiles": np.percentile(distances, np.arange(101))}


def write_results(evaluation: Evaluation, path: str | os.PathLike[str], report_checksum: str) -> None:
    """Writes results.json, first aside, then renamed.

    Args:
        evaluation: What was found out.
        path: Path of the file.
        report_checksum: SHA-256 of report.html, by which it is known which report belongs to the results.

    Raises:
        OSError: If it cannot be written.
    """
    report = {"report": {"checksum": report_checksum}}
    write_json_aside(pathlib.Path(path), to_json(evaluation) | report)


def read_results(path: pathlib.Path) -> dict[str, Any] | None:
    """Reads results.json, as `to_json` returned it; None if there is no such file.

    Raises:
        UserError: If it cannot be read, or is of another version.
    """
    try:
        results = json.loads(path.read_text(encoding="utf-8"))
        if (results["format"], results["format_version"]) != (FORMAT, FORMAT_VERSION):
            raise ValueError("it is of another version")
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{path} cannot be read ({error}); evaluate the run again with mrisynth-evaluate, or remove it"
        ) from error
    return results
