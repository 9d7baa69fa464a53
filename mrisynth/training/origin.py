"""Where the first weights of a run came from, and which data sets they were trained on."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Mapping
from typing import Any

from mrisynth.errors import UserError
from mrisynth.export_folder import ExportFolder
from mrisynth.run_folder import RunFolder

PHANTOMS, SCANS = "phantoms", "scans"
"""What model cards call data sets of phantoms alone, and all others, which are taken for patients'."""


@dataclasses.dataclass(frozen=True)
class TrainingData:
    """A data set that weights were trained on.

    Attributes:
        fingerprint: Identifies it; None where it is not known.
        phantoms: Whether it is known to be of phantoms alone.
    """

    fingerprint: str | None
    phantoms: bool

    @property
    def kind(self) -> str:
        """What model cards call it."""
        return PHANTOMS if self.phantoms else SCANS


@dataclasses.dataclass(frozen=True)
class Origin:
    """Where the first weights of a run came from.

    Attributes:
        weights_checksum: That of the averaged generator they came from (see `mrisynth.training.ema`).
        data: The data sets that they were trained on, through all generations of models, the newest first.
        path: The run or the export that the user named; None where only a model card tells of it.
    """

    weights_checksum: str
    data: tuple[TrainingData, ...]
    path: pathlib.Path | None = None

    def to_json(self, with_path: bool = False) -> dict[str, Any]:
        """The origin as JSON; where it lay on this machine only if that is asked for."""
        data = [{"fingerprint": data.fingerprint, "kind": data.kind} for data in self.data]
        where = {"path": str(self.path.absolute())} if with_path and self.path else {}
        return {**where, "weights_checksum": self.weights_checksum, "data": data}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Origin:
        """Reads what `to_json` gave.

        Raises:
            KeyError, TypeError: If it is not laid out like that.
        """
        data = tuple(TrainingData(each["fingerprint"], each["kind"] == PHANTOMS) for each in document["data"])
        path = pathlib.Path(document["path"]) if "path" in document else None
        return cls(document["weights_checksum"], data, path)


def origin_of_card(card: Mapping[str, Any] | None) -> Origin | None:
    """Where the first weights of an exported model came from; None if its card says nothing of that."""
    said = (card or {}).get("data", {}).get("first_weights")
    return Origin.from_json(said) if said else None


def find_source(path: pathlib.Path) -> RunFolder | ExportFolder:
    """Finds what --init_from names.

    Args:
        path: A run's folder, or NAME or NAME/VERSION of an export.

    Raises:
        UserError: If it is neither.
    """
    if RunFolder(path).config.is_file():
        return RunFolder(path)
    try:
        return ExportFolder.newest(path)
    except UserError as error:
        raise UserError(
            f"--init_from={path} is neither a run, which has a config.json, nor an exported SavedModel"
        ) from error
