"""The model card: what a user of an exported generator must know, as JSON and as Markdown.

It is put together from counts and settings by name, never by copying a manifest or a configuration whole, so
that no subject, file or folder gets into it.
"""

from __future__ import annotations

import datetime
import math
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

import mrisynth
from mrisynth.atomic_io import write_json_aside, write_text_aside
from mrisynth.data.conditions.cells import FEWEST_SUBJECTS, LabelDistribution
from mrisynth.data.finding.channels import IMAGE
from mrisynth.data.storing.manifest import Manifest, Split, lengths_in_words
from mrisynth.evaluation.fidelity import RULE
from mrisynth.export_folder import CARD_FORMAT, CARD_FORMAT_VERSION, ExportFolder
from mrisynth.metrics import registry
from mrisynth.metrics.estimates import Spread, format_number
from mrisynth.privacy.verdict import changed_limits, limits_in_words
from mrisynth.sampling.conditions import input_names
from mrisynth.training.ema import AveragedGenerator
from mrisynth.training.origin import PHANTOMS, SCANS, Origin
from mrisynth.utility import tables

# Settings of the preparation that say nothing of where scans lie or how subjects are named.
_SHOWN_SETTINGS = (
    "suffix", "channels", "allow_missing", "plane", "slices", "voxel_size", "interpolation", "resolution",
    "field_of_view", "intensity_percentiles", "min_head_fraction", "holdout", "stratify", "volume_index",
)  # fmt: skip
_KINDS = {PHANTOMS: "head phantoms drawn by mrisynth", SCANS: "a data set of scans"}
_INTENDED_USE = (
    "Teaching, development and testing of methods, pre-training of networks, and data sets of synthetic "
    "slices that are to be shared.",
    "Not for diagnosis, nor for anything else that touches the care of a patient.",
)


def describe(
    name: str,
    average: AveragedGenerator,
    manifest: Manifest,
    evaluation: Mapping[str, Any] | None,
    labels: LabelDistribution | None = None,
) -> dict[str, Any]:
    """Describes a run's generator.

    Args:
        name: Name of the model.
        average: What is exported, and the configuration of its run.
        manifest: Manifest of the data set that the run was trained on.
        evaluation: The contents of results.json of this very generator; None if it was not evaluated.
        labels: How the labels are distributed on the training side; None of an unconditional generator.

    Returns:
        The card, as the json module writes it.
    """
    config, generator = average.config.training, average.generator
    settings = average.config.identity()
    evaluated = None if evaluation is None else _evaluation(evaluation)
    return {
        "format": CARD_FORMAT,
        "format_version": CARD_FORMAT_VERSION,
        "date": datetime.date.today().isoformat(),
        "model": {
            "name": name,
            "letter": config.model,
            "resolution": generator.resolution,
            "channels": list(manifest.channels),
            "latent_size": generator.latent_size,
            "weights_checksum": average.checksum,
            "parameters": sum(math.prod(variable.shape) for variable in generator.weights),
            "attention_generator": list(generator.attention_resolutions),
            "attention_discriminator": list(config.network.attention_discriminator),
            "bilinear_resampling": generator.bilinear_resampling,
            "noise_inputs": generator.noise_inputs,
        },
        **({"labels": _labels(labels)} if labels else {}),
        "training": {
            "images_shown": average.images,
            "iterations": average.iteration,
            "precision": average.config.environment.get("dtype_policy", "unknown"),
            "schedule": settings["schedule"],
            "optimization": settings["optimization"],
        },
        "data": _data(manifest, average.config.origin),
        "preparation": {
            setting: manifest.settings[setting] for setting in _SHOWN_SETTINGS if setting in manifest.settings
        },
        "geometry": {
            "plane": manifest.plane,
            "orientation": manifest.orientation,
            "field_of_view_mm": manifest.field_of_view_mm,
            "pixel_size_mm": manifest.pixel_size_mm(generator.resolution),
            **_slices(manifest),
        },
        "intensity": {**_intensities(manifest), "unit": "arbitrary units of the scanner"},
        "evaluation": evaluated,
        "intended_use": list(_INTENDED_USE),
        "limits": list(_limits(manifest, evaluated, average.config.origin)),
        "versions": {
            "mrisynth": mrisynth.__version__,
            "tensorflow": tf.__version__,
            "keras": keras.__version__,
        },
    }


def write_card(card: Mapping[str, Any], folder: ExportFolder) -> None:
    """Writes a card into an export, as JSON and as Markdown, with the checksum of graph and weights.

    Args:
        card: As `describe` gives it.
        folder: The folder of the export, which is saved already.

    Raises:
        ValueError: If a number is not finite, which JSON has no word for.
    """
    card = {**card, "model": {**card["model"], "checksum": folder.checksum}}
    folder.card.parent.mkdir(parents=True, exist_ok=True)
    write_json_aside(folder.card, card)
    write_text_aside(folder.card_page, to_markdown(card))


def to_markdown(card: Mapping[str, Any]) -> str:
    """A card as a page for people."""
    model, data, geometry, intensity = (card[name] for name in ("model", "data", "geometry", "intensity"))
    sides = (
        f"{data[side]['subjects']} subjects, {data[side]['slices']:,} slices"
        for side in ("training", "held_out")
    )
    lines = [
        f"# {model['name']}",
        "",
        f"A generator of synthetic MR slices, {model['resolution']}x{model['resolution']}: mrisynth model "
        f"({model['letter']}), {model['parameters']:,} parameters, exported on {card['date']}.",
        "",
        *_table(
            ("", ""),
            [
                ("checksum of graph and weights", model["checksum"]),
                ("checksum of the weights alone", model["weights_checksum"]),
                *_stored_discriminator(model),
            ],
        ),
        "",
        "## Intended use",
        "",
        *(f"- {sentence}" for sentence in card["intended_use"]),
        "",
        "## Limits",
        "",
        *(f"- {sentence}" for sentence in card["limits"]),
        "",
        "## Training data",
        "",
        *_table(
            ("", ""),
            [
                ("kind", _KINDS[data["kind"]]),
                ("fingerprint", data["fingerprint"]),
                *zip(("trained on", "held out"), sides, strict=True),
                ("files", f"{data['files_used']} used, {data['files_left_out']} left out"),
                *_first_weights(data.get("first_weights")),
            ],
        ),
        "",
        "## Images",
        "",
        *_table(
            ("", ""),
            [
                ("channels", ", ".join(model["channels"])),
                ("plane", f"{geometry['plane']}; {geometry['orientation']}"),
                ("field of view", f"{geometry['field_of_view_mm']:g} mm"),
                ("pixel", f"{geometry['pixel_size_mm']:g} mm"),
                ("thickness of a slice", _with_range(geometry, "slice_thickness")),
                ("distance from slice to slice", _with_range(geometry, "slice_spacing")),
                ("scans whose slices are as acquired", geometry["scans_with_acquired_slices"]),
                *(
                    (f"-1 and 1 stand for{name and f', {name}'}", " and ".join(f"{end:g}" for end in ends))
                    for name, ends in intensity.get("ranges", {"": intensity["range"]}).items()
                ),
                ("unit", intensity["unit"]),
            ],
        ),
        "",
        *_label_lines(card.get("labels")),
        *_evaluation_lines(card["evaluation"]),
        "",
        *_settings_lines(card),
    ]
    return "\n".join(lines) + "\n"


def _first_weights(said: Mapping[str, Any] | None) -> Iterator[tuple[str, str]]:
    """Where the first weights came from, a row for the model and one for each data set."""
    if said is None:
        return
    yield "first weights", f"of another model; checksum of its weights {said['weights_checksum']}"
    for data in said["data"]:
        yield "trained before on", f"{_KINDS[data['kind']]}, fingerprint {data['fingerprint'] or 'unknown'}"


def _stored_discriminator(model: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if checksum := model.get("discriminator_checksum"):
        yield "checksum of the discriminator, which is stored beside", checksum


def _labels(labels: LabelDistribution) -> dict[str, Any]:
    """The labels, each with the name of its input in the signatures."""
    document, names = labels.to_json(), input_names(labels.schema)
    document["labels"] = [{**label, "input": names[label["name"]]} for label in document["labels"]]
    return document


def _data(manifest: Manifest, origin: Origin | None) -> dict[str, Any]:
    # A model that patients' scans have had a part in is one of patients, whatever it was trained on last.
    phantoms = manifest.phantoms and all(data.phantoms for data in (origin.data if origin else ()))
    return {
        "fingerprint": manifest.fingerprint,
        "kind": PHANTOMS if phantoms else SCANS,
        **({"first_weights": origin.to_json()} if origin else {}),
        **{
            side: {"subjects": len(manifest.splits[key].subjects), "slices": manifest.splits[key].slices}
            for side, key in (("training", Split.TRAIN), ("held_out", Split.HELDOUT))
        },
        "files_used": len(manifest.used),
        "files_left_out": len(manifest.skipped),
    }


def _slices(manifest: Manifest) -> dict[str, Any]:
    """Distance and thickness of slices: the median training scan's, and those of the scans it lies among."""
    scans = [source for source in manifest.used if source.split == Split.TRAIN]
    described: dict[str, Any] = {"scans_with_acquired_slices": sum(scan.acquired for scan in scans)}
    for name in ("slice_spacing", "slice_thickness"):
        sizes = [getattr(scan, f"{name}_mm") for scan in scans]
        described |= {f"{name}_mm": statistics.median(sizes), f"{name}_range_mm": [min(sizes), max(sizes)]}
    return described


def _with_range(geometry: Mapping[str, Any], name: str) -> str:
    """The median of a length, and between which mm it lies where scans differ."""
    words = f"{geometry[f'{name}_mm']:.3g} mm"
    ends = lengths_in_words(geometry[f"{name}_range_mm"])
    return words if words == ends else f"{words} in the median training scan, {ends} in all"


def _intensities(manifest: Manifest) -> dict[str, Any]:
    """The median training scan's intensities of -1 and 1: of all, and of each contrast if there are more."""
    called = {name.casefold(): name for name in manifest.channels}
    ranges: dict[str, list[Sequence[float]]] = {}
    scans = [source for source in manifest.used if source.split == Split.TRAIN]
    for scan in scans:
        name = scan.suffix if manifest.channels[0] == IMAGE else manifest.channels[0]
        ranges.setdefault(name, []).append(scan.intensity_range)
        for name, other in scan.others.items():
            ranges.setdefault(called.get(name.casefold(), name), []).append(other["intensity_range"])
    by_contrast = {name: _median_range(values) for name, values in sorted(ranges.items())}
    return {
        "range": _median_range([scan.intensity_range for scan in scans]),
        **({"ranges": by_contrast} if len(ranges) > 1 else {}),
    }


def _median_range(ranges: Iterable[Sequence[float]]) -> list[float]:
    return [statistics.median(ends) for ends in zip(*ranges, strict=True)]


def _evaluation(results: Mapping[str, Any]) -> dict[str, Any]:
    privacy = results["privacy"]
    changed = changed_limits(privacy.get("thresholds", {}))
    return {
        "date": results["date"],
        "short": results["short"],
        "generated_images": results["data"]["generated_images"],
        "features": results["features"],
        "measures": results["measures"],
        **({"fidelity": results["fidelity"]} if results.get("fidelity") else {}),
        "unlike_the_data": results.get("unlike_the_data", ""),
        "privacy": {
            **{name: privacy[name] for name in ("verdict", "copies") if name in privacy},
            **({"thresholds": changed} if changed else {}),
        },
        **({"utility": results["utility"]} if results.get("utility") else {}),
        "report": results.get("report"),
    }


def _limits(manifest: Manifest, evaluation: Mapping[str, Any] | None, origin: Origin | None) -> Iterator[str]:
    yield (
        "The images look like the training data: its scanners, contrast, ages and diseases, and no others. "
        "Single slices are generated; they do not make up a volume."
    )
    yield (
        "Intensities are scaled as in the median training scan; they have no unit that means the same on "
        "another scanner."
    )
    if origin and not all(data.phantoms for data in origin.data):
        yield "It was started from a model of patients' scans: what that may reveal, it may reveal, too."
    if not manifest.has_heldout:
        yield "No subject was held out, so copying of training slices cannot be measured."
    if evaluation is None:
        yield (
            "How good, how diverse and how private the images are has not been measured for this model; "
            "treat them as confidential as the training data until it has."
        )
    else:
        if evaluation["unlike_the_data"]:
            yield evaluation["unlike_the_data"]
        words = evaluation["privacy"]["verdict"]["words"]
        if other_limits := limits_in_words(evaluation["privacy"].get("thresholds", {})):
            yield other_limits
        yield (
            f"The evaluation's verdict on copying is: {words}. Even \"no sign of "
            'copying" is evidence, not proof: the tests see whole slices, not a lesion alone, and not what '
            "else a model may reveal."
        )


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[str]:
    written = [head, ("---",) * len(head), *rows]
    return [f"| {' | '.join(str(cell).replace('|', '/') for cell in row)} |" for row in written]


def _label_lines(labels: Mapping[str, Any] | None) -> list[str]:
    """What can be asked for, and what comes together how often on the training side."""
    if labels is None:
        return []
    rows = [
        (
            *(label["name"], label["input"]),
            ", ".join(label["vocabulary"]) or _bin_in_words(label["range"]),
        )
        for label in labels["labels"]
    ]
    cells = [
        (
            *("unknown" if value is None else _bin_in_words(value) for value in cell["values"]),
            f"fewer than {FEWEST_SUBJECTS}" if cell["subjects"] is None else cell["subjects"],
            f"{cell['weight']:.1%}",
        )
        for cell in labels["cells"]
    ]
    names = [label["name"] for label in labels["labels"]]
    return [
        "## Labels",
        "",
        *_table(("label", "input of the signatures", "what can be asked for"), rows),
        "",
        "Images that are asked for nothing have labels as they come together on the training side:",
        "",
        *_table((*names, "subjects", "of the slices"), cells),
        "",
    ]


def _bin_in_words(value: str | Sequence[float]) -> str:
    """A category, or the numbers from the smallest to the largest."""
    if isinstance(value, str):
        return value
    return " to ".join(f"{number:g}" for number in dict.fromkeys((value[0], value[-1])))


def _evaluation_lines(evaluation: Mapping[str, Any] | None) -> list[str]:
    if evaluation is None:
        return ["## Evaluation", "", "Not evaluated."]
    form = "the short form" if evaluation["short"] else "in full"
    rows = []
    for key, measure in evaluation["measures"].items():
        metric, _ = registry.find(key)
        values = (str(Spread.from_json(measure[side])) for side in ("generated", "real"))
        rows.append((registry.full_title(key), *values, metric.direction.value))
    return [
        "## Evaluation",
        "",
        f"{evaluation['generated_images']:,} images, {evaluation['date']}, {form}; features: "
        f'{evaluation["features"]}. "real" are training images in the place of generated ones.',
        "",
        *_table(("measure", "generated", "real", "better"), rows),
        "",
        *_utility_lines(evaluation.get("utility")),
        *_fidelity_lines(evaluation.get("fidelity")),
        f"Copying: **{evaluation['privacy']['verdict']['words']}**",
        "",
        *(f"- {reason}" for reason in evaluation["privacy"]["verdict"]["reasons"]),
        "",
        f"Checksum of report.html: {(evaluation.get('report') or {}).get('checksum', 'unknown')}",
    ]


def _utility_lines(utility: Mapping[str, Any] | None) -> list[str]:
    if not utility:
        return []
    return [tables.method(utility), "", *_table(tables.head(utility), list(tables.rows(utility))), ""]


def _fidelity_lines(fidelity: Mapping[str, Any] | None) -> list[str]:
    """How well images show what they are asked for."""
    if fidelity is None:
        return []
    rows = [
        (
            f"{row['label']}, {row['figure']}",
            *(format_number(value) for value in (row["generated"], row["real"]["value"], row["chance"])),
            row["finding"],
        )
        for row in fidelity["shown"]
    ]
    return [
        f"How well labels are read off {fidelity['images']:,} images that were asked for them, and off real, "
        f"held-out slices. {RULE}",
        "",
        *_table(("label", "generated", "real", "not looking", "shown"), rows),
        "",
    ]


def _settings_lines(card: Mapping[str, Any]) -> list[str]:
    training = card["training"]
    rows = [
        ("images shown", f"{training['images_shown']:,}"),
        ("iterations", f"{training['iterations']:,}"),
        ("precision", training["precision"]),
        *((name.replace("_", " "), _in_words(value)) for name, value in training["schedule"].items()),
        *((name.replace("_", " "), _in_words(value)) for name, value in training["optimization"].items()),
        *(
            (f"attention, {part}", _in_words(card["model"][f"attention_{part}"]))
            for part in ("generator", "discriminator")
        ),
        *((f"preparation: {name}", _in_words(value)) for name, value in card["preparation"].items()),
        *card["versions"].items(),
    ]
    return ["## Settings", "", *_table(("", ""), rows)]


def _in_words(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    if isinstance(value, dict):
        return ", ".join(f"{key}: {item}" for key, item in value.items())
    return str(value)
