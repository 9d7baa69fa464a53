"""A generator as one HTML page, which draws images in a browser: without a server, without a network.

What a browser runs lies in `mrisynth/export/page`, one concern a file; here it is put together with what it
needs to know of the model.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import html
import json
import os
import pathlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

import jinja2
import numpy as np
from markupsafe import Markup

from mrisynth.atomic_io import write_text_aside
from mrisynth.data.conditions.cells import FEWEST_SUBJECTS
from mrisynth.data.labels import LabelKind, LabelSchema
from mrisynth.data.reading.planes import Plane
from mrisynth.errors import UserError
from mrisynth.export.half_weights import half_model, half_weights
from mrisynth.export.model_card import to_markdown
from mrisynth.networks import Generator
from mrisynth.privacy.verdict import COPIES_FOUND, NO_SIGN
from mrisynth.release.channels import Channel, channels_of
from mrisynth.release.formats.nifti import file_head
from mrisynth.release.image_geometry import CONTRAST_LABEL, ImageGeometry
from mrisynth.sampling.conditions import input_names
from mrisynth.sampling.provenance import Provenance

_FOLDER = pathlib.Path(__file__).parents[1] / "page"
_SCRIPTS = ("bytes", "philox", "labels", "picture", "files", "drawing", "page")
_RUNTIME = _FOLDER / "onnxruntime-web"
_LARGEST_PLAIN = 64
"""Pixels along an edge up to which our own JavaScript draws; above, onnxruntime-web is faster."""
_LETTERS = {Plane.AXIAL: "RLAP", Plane.CORONAL: "RLSI", Plane.SAGITTAL: "APSI"}
"""Where the left, right, upper and lower edge of an image lie in the body."""
_OPEN_SECTIONS = ("Intended use", "Limits", "Evaluation")
"""Of the card; the others are a click away."""


def export_generator(
    generator: Generator, directory: str | os.PathLike[str], card: Mapping[str, Any] | None = None
) -> pathlib.Path:
    """Writes a generator as a page with its model card.

    Args:
        generator: Usually the one whose weights are the moving average; of rank 2.
        directory: The file, which is made, and must not exist.
        card: See `mrisynth.export.model_card`; without one there is no page.

    Returns:
        The file.

    Raises:
        UserError: If the file is there already or its name does not end in .html, there is no card, it says
            that copies were found, or images are no slices.
        OSError: If the file cannot be written.
    """
    path = pathlib.Path(directory)
    if path.suffix != ".html":
        raise UserError(f"--output={path} must end in .html: --format=page writes one file, as in heads.html")
    if path.exists():
        raise UserError(f"--output={path} exists already; name a new file")
    if generator.rank != 2:
        raise UserError("--format=page shows slices, and this generator draws volumes; use another format")
    if card is None:
        raise UserError("--format=page needs the model card, and the generator has none; export it again")
    try:
        text = _render(generator, card)
    except (KeyError, TypeError, AttributeError) as error:
        raise UserError(f"--format=page: the model card is damaged ({error}); export it again") from error
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text_aside(path, text)
    return path


def _render(generator: Generator, card: Mapping[str, Any]) -> str:
    """The page as HTML."""
    provenances = {name: _provenance(card, asked=name == "asked") for name in ("plain", "asked")}
    geometry = ImageGeometry.of(card, generator.resolution)
    labels = _labels(generator.label_schema, card)
    channels = _channels(generator, card, geometry, provenances)
    is_plain = generator.resolution <= _LARGEST_PLAIN
    parts = _plain_parts(generator) if is_plain else _onnx_parts(generator, labels)
    provenance = provenances["plain"]
    look = {NO_SIGN: "good", COPIES_FOUND: "bad"}.get(provenance.verdict, "open")
    facts = {
        "name": provenance.model,
        "resolution": generator.resolution,
        "pixelSize": geometry.pixel_size_mm,
        "letters": list(_LETTERS[Plane(geometry.plane)]),
        "statements": {name: each.statement for name, each in provenances.items()},
        "contrastLabel": CONTRAST_LABEL if geometry.several_contrasts else "",
        "channels": channels,
        "labels": labels,
    }
    script = _joined(_SCRIPTS)
    network = "network" if is_plain else "onnx_network"
    worker = _joined(("bytes", "philox", "latents", network, "worker"))
    style = (_FOLDER / "page.css").read_text(encoding="utf-8")
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FOLDER), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    shown = channels[""]
    return environment.get_template("page.html.jinja").render(
        policy=_policy(script, style, is_plain),
        style=Markup(style),
        script=Markup(script),
        worker=Markup(worker),
        facts=_json(facts),
        parts=parts,
        name=provenance.model,
        resolution=generator.resolution,
        geometry=geometry,
        verdict=provenance.verdict,
        look=look,
        phantoms=provenance.phantoms,
        statement=provenance.statement,
        channels=shown,
        images=[channel for channel in shown if not channel["mask"]],
        labels=labels["labels"] if labels else [],
        fewest=FEWEST_SUBJECTS,
        card=_as_html(to_markdown(card)),
    )


def _joined(names: Sequence[str]) -> str:
    """Several scripts as one."""
    return "\n".join((_FOLDER / f"{name}.js").read_text(encoding="utf-8") for name in names)


def _plain_parts(generator: Generator) -> dict[str, str]:
    """What page/network.js opens."""
    network, weights = half_weights(generator)
    return {"network": _json(network), "weights": weights}


def _onnx_parts(generator: Generator, labels: Mapping[str, Any] | None) -> dict[str, str]:
    """What page/onnx_network.js opens."""

    def packed(content: bytes) -> str:
        return base64.b64encode(gzip.compress(content, mtime=0)).decode()

    try:
        model = half_model(generator)
    except ImportError as error:
        raise UserError(
            f"--format=page of more than {_LARGEST_PLAIN}x{_LARGEST_PLAIN} pixels needs the onnx package: "
            "pip install 'mrisynth[onnx]'"
        ) from error
    described = [
        {
            "input": entry["input"],
            "width": label.width,
            "isNumber": label.kind is LabelKind.CONTINUOUS,
            "mean": label.mean,
            "deviation": label.deviation,
        }
        for label, entry in zip(generator.label_schema.labels, (labels or {}).get("labels", []), strict=True)
    ]
    files = {
        "runtime": "ort.wasm.min.mjs",
        "glue": "ort-wasm-simd-threaded.mjs",
        "wasm": "ort-wasm-simd-threaded.wasm",
    }
    return {
        "network": _json({"latentSize": generator.latent_size, "labels": described}),
        "model": packed(model),
        **{part: packed((_RUNTIME / name).read_bytes()) for part, name in files.items()},
    }


def _policy(script: str, style: str, is_plain: bool) -> str:
    """Nothing may be loaded or run but what is in the page, and the worker that it makes of its own text.

    Above 64x64 the worker makes onnxruntime-web of parts of the page, which have addresses of blobs.
    """

    def source(text: str) -> str:
        return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"

    rules = {
        "default-src": "'none'",
        "script-src": source(script) + ("" if is_plain else " blob: 'wasm-unsafe-eval'"),
        "style-src": source(style),
        "worker-src": "blob:",
        **({} if is_plain else {"connect-src": "blob:"}),
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    return "; ".join(f"{name} {value}" for name, value in rules.items())


def _json(document: Any) -> Any:
    """JSON as a script element may hold it, which only < can end."""
    return Markup(json.dumps(document, allow_nan=False).replace("<", "\\u003c"))


def _provenance(card: Mapping[str, Any], asked: bool) -> Provenance:
    """What every file that is saved says."""
    model = card["model"]
    # The card of a run that was not exported before has no checksum of a graph.
    checksum = model.get("checksum") or model["weights_checksum"]
    provenance = Provenance.of_card(card, model["name"], "", checksum, card["data"].get("fingerprint"), asked)
    if provenance.despite_copies:
        raise UserError(
            f"--format=page: the evaluation of {provenance.date} found copies of training scans, which the "
            "page would show; train the model on more subjects"
        )
    return provenance


def _labels(schema: LabelSchema, card: Mapping[str, Any]) -> dict[str, Any] | None:
    """What the page must know to draw labels and to ask for them."""
    if not schema.width:
        return None
    inputs = input_names(schema)
    entries = {entry["name"]: entry for entry in card["labels"]["labels"]}
    labels = []
    for label in schema.labels:
        entry = entries[label.name]
        numbers = label.kind is LabelKind.CONTINUOUS
        ends = {"range": entry["range"], "bins": entry["bins"]} if numbers else {"range": None, "bins": []}
        known = {"input": inputs[label.name], "title": _title(label.name), **ends}
        fields = ("name", "kind", "vocabulary", "mean", "deviation")
        labels.append({**{field: entry[field] for field in fields}, **known})
    return {"labels": labels, **{name: card["labels"][name] for name in ("cells", "combinations")}}


def _title(label: str) -> str:
    """A label's name in words."""
    if label == CONTRAST_LABEL:
        return "contrast"
    return label.removeprefix("participant/").replace("_mm", " (mm)").translate(str.maketrans("/_", "  "))


def _channels(
    generator: Generator,
    card: Mapping[str, Any],
    geometry: ImageGeometry,
    provenances: Mapping[str, Provenance],
) -> dict[str, list[dict[str, Any]]]:
    """What channels show, by the contrast of the image; "" where all have the same, or it is not known."""
    contrasts = [""]
    if geometry.several_contrasts:
        contrasts += next(
            each for each in generator.label_schema.labels if each.name == CONTRAST_LABEL
        ).vocabulary

    def described(channel: Channel) -> dict[str, Any]:
        dtype = np.int16 if channel.mask is None else np.uint8
        heads = {
            name: file_head(geometry, provenance, generator.resolution, channel.intensity_range, dtype)
            for name, provenance in provenances.items()
        }
        return {
            "name": channel.name,
            "title": channel.name if channel.mask else channel.contrast or channel.name,
            "mask": channel.mask is not None,
            "range": channel.intensity_range,
            "heads": {name: base64.b64encode(head).decode() for name, head in heads.items()},
        }

    names = card["model"]["channels"]
    return {
        contrast: [
            described(channel) for channel in channels_of(names, {CONTRAST_LABEL: contrast or None}, geometry)
        ]
        for contrast in contrasts
    }


def _as_html(markdown: str) -> Markup:
    """A model card as HTML: headings, lists, tables and bold words, which is all that it has."""
    sections = re.split(r"^## ", markdown, flags=re.M)
    parts = [_blocks_as_html(sections[0].partition("\n")[2])]
    for section in sections[1:]:
        title, _, text = section.partition("\n")
        shown = " open" if title in _OPEN_SECTIONS else ""
        parts.append(f"<details{shown}><summary>{title}</summary>{_blocks_as_html(text)}</details>")
    return Markup("\n".join(parts))


def _blocks_as_html(markdown: str) -> str:
    parts = []
    for block in re.split(r"\n\n+", html.escape(markdown).strip()):
        lines = re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", block).split("\n")
        if lines[0].startswith("- "):
            parts += ["<ul>", *(f"<li>{line.removeprefix('- ')}</li>" for line in lines), "</ul>"]
        elif lines[0].startswith("| "):
            head, _, *rows = ([cell.strip() for cell in line[1:-1].split("|")] for line in lines)
            cells = [("th", head)] if any(head) else []
            cells += [("td", row) for row in rows]
            table = ["".join(f"<{kind}>{cell}</{kind}>" for cell in row) for kind, row in cells]
            parts += ['<div class="table"><table>', *(f"<tr>{row}</tr>" for row in table), "</table></div>"]
        else:
            parts.append(f"<p>{' '.join(lines)}</p>")
    return "\n".join(parts)
