"""Every path inside the folder of an exported generator, and what stands there for readers."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import pathlib
from typing import Any

from mrisynth.errors import UserError

CARD_FORMAT = "mrisynth model card"
CARD_FORMAT_VERSION = 1

_CARD_SECTIONS = ("model", "training", "data", "preparation", "geometry", "intensity", "evaluation")


@dataclasses.dataclass(frozen=True)
class ExportFolder:
    """One version of an exported generator, laid out as TensorFlow Serving expects it; or one as ONNX.

    Attributes:
        path: The folder itself, NAME/VERSION.
    """

    path: pathlib.Path

    @classmethod
    def newest(cls, path: pathlib.Path) -> ExportFolder:
        """Finds the folder that a user means.

        Args:
            path: Either NAME/VERSION or NAME, whose newest version is taken.

        Raises:
            UserError: If there is no SavedModel.
        """
        if not path.is_dir():
            raise UserError(f"--saved_model={path} is not a folder; it is NAME or NAME/VERSION of an export")
        if cls(path).graph.is_file():
            return cls(path)
        versions = [
            folder for folder in path.iterdir() if folder.name.isdigit() and cls(folder).graph.is_file()
        ]
        if not versions:
            raise UserError(
                f"--saved_model={path} holds no SavedModel; it is NAME or NAME/VERSION of an export"
            )
        return cls(max(versions, key=lambda folder: int(folder.name)))

    @property
    def name(self) -> str:
        """The name of the model."""
        folder = self.path.absolute()
        return folder.parent.name if self.version else folder.name

    @property
    def version(self) -> str:
        """The version of the model; empty if the folder is not named by a number."""
        return self.path.name if self.path.name.isdigit() else ""

    @property
    def graph(self) -> pathlib.Path:
        """The graph of the SavedModel."""
        return self.path / "saved_model.pb"

    @property
    def onnx(self) -> pathlib.Path:
        """The whole model, where it is ONNX in place of a SavedModel."""
        return self.path / "generator.onnx"

    @property
    def card(self) -> pathlib.Path:
        """The model card for programs."""
        return self.path / "assets.extra" / "model_card.json"

    @property
    def card_page(self) -> pathlib.Path:
        """The model card for people."""
        return self.path / "assets.extra" / "model_card.md"

    @property
    def discriminator(self) -> pathlib.Path:
        """The weights of the discriminator, for runs that start from the model; most exports have none."""
        return self.path / "assets.extra" / "discriminator.npz"

    @property
    def warmup_requests(self) -> pathlib.Path:
        """The requests that TensorFlow Serving warms the model up with."""
        return self.path / "assets.extra" / "tf_serving_warmup_requests"

    @functools.cached_property
    def checksum(self) -> str:
        """SHA-256 of the graph and the weights, hexadecimal."""
        digest = hashlib.sha256()
        is_onnx = self.onnx.is_file()
        files = [self.onnx] if is_onnx else [self.graph, *sorted((self.path / "variables").iterdir())]
        for path in files:
            digest.update(path.read_bytes())
        return digest.hexdigest()

    def read_card(self) -> dict[str, Any]:
        """Reads the model card.

        Returns:
            What `mrisynth.export.model_card.describe` returned.

        Raises:
            UserError: If there is none, or it is damaged or of another version.
        """
        again = "export the model again with mrisynth-export"
        try:
            card = json.loads(self.card.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise UserError(f"{self.path} has no model card ({self.card.name}); {again}") from error
        except (OSError, ValueError) as error:
            raise UserError(f"the model card {self.card} cannot be read ({error}); {again}") from error
        if not isinstance(card, dict) or card.get("format") != CARD_FORMAT:
            raise UserError(f"{self.card} is not a model card of mrisynth; {again}")
        if card.get("format_version") != CARD_FORMAT_VERSION:
            raise UserError(f"{self.card} was written by another version of mrisynth; {again}")
        missing = [section for section in _CARD_SECTIONS if section not in card]
        if missing:
            raise UserError(f"the model card {self.card} is damaged (it has no {missing[0]}); {again}")
        return card


def next_version(folder: pathlib.Path) -> ExportFolder:
    """The next free version in a model's folder NAME, counted from 1."""
    numbers = [int(path.name) for path in folder.iterdir() if path.name.isdigit()] if folder.is_dir() else []
    return ExportFolder(folder / str(max(numbers, default=0) + 1))
