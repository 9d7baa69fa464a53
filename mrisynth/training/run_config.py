"""config.json: what makes a run this run, and how it is carried out."""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
from collections.abc import Collection, Mapping
from typing import Any

import mrisynth
from mrisynth.errors import UserError
from mrisynth.networks.config import NetworkConfig
from mrisynth.run_folder import RunFolder
from mrisynth.training.config import OptimizationConfig, RuntimeConfig, TrainingConfig
from mrisynth.training.schedule import GrowthSchedule

_SECTIONS = {
    "network": NetworkConfig,
    "schedule": GrowthSchedule,
    "optimization": OptimizationConfig,
    "runtime": RuntimeConfig,
}


@dataclasses.dataclass(frozen=True)
class RunConfig:
    """What config.json says about a run.

    Attributes:
        training: All settings of the run.
        fingerprint: Identifies the data set of the run; None where it is not known.
        environment: What "auto" came to on the machine that trained last, and its versions.
    """

    training: TrainingConfig
    fingerprint: str | None
    environment: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def identity(self) -> dict[str, dict[str, Any]]:
        """What makes a run this run, as JSON reads it: all settings but how the run is carried out."""
        config = self.training
        schedule = {**dataclasses.asdict(config.schedule), "batch_sizes": config.schedule.used_batch_sizes}
        sections = {
            "run": {"model": config.model},
            "network": dataclasses.asdict(config.network),
            "schedule": schedule,
            "optimization": dataclasses.asdict(config.optimization),
            "data": {"phantom_subjects": config.phantom_subjects, "fingerprint": self.fingerprint},
        }
        return json.loads(json.dumps(sections))

    def to_json(self) -> dict[str, Any]:
        """The contents of config.json."""
        runtime = dataclasses.asdict(self.training.runtime)
        return {
            "mrisynth": mrisynth.__version__,
            **self.identity(),
            "runtime": {**runtime, "data_dir": str(self.training.data_dir.absolute())},
            "environment": dict(self.environment),
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any], folder: RunFolder) -> RunConfig:
        """Reads the contents of config.json, where a setting that is missing has its default.

        A run's own phantoms are looked for in its folder, if they are not where they were.

        Args:
            document: As `to_json` gives it.
            folder: The run's folder, which may have been moved.

        Raises:
            AttributeError, KeyError, TypeError: If it is not laid out like a config.json.
            UserError, ValueError: If a setting has a value that it cannot have.
        """
        data, runtime = document["data"], dict(document["runtime"])
        data_dir = pathlib.Path(runtime.pop("data_dir", folder.phantom_data))
        phantom_subjects = data.get("phantom_subjects")
        if phantom_subjects is not None and not data_dir.exists():
            data_dir = folder.phantom_data
        schedule = dict(document["schedule"])
        if "batch_sizes" in schedule:
            schedule["batch_sizes"] = {int(r): batch for r, batch in schedule["batch_sizes"].items()}
        sections = {**document, "runtime": runtime, "schedule": schedule}
        training = TrainingConfig(
            run_dir=folder.path,
            data_dir=data_dir,
            phantom_subjects=phantom_subjects,
            **document["run"],
            **{name: _parse(kind, sections[name]) for name, kind in _SECTIONS.items()},
        )
        return cls(training, data.get("fingerprint"), document.get("environment", {}))


def _parse(kind: type, section: Mapping[str, Any]) -> Any:
    """One section of config.json as the dataclass that it was written from."""
    return kind(
        **{name: tuple(value) if isinstance(value, list) else value for name, value in section.items()}
    )


def read_run_config(folder: RunFolder) -> RunConfig:
    """Reads a run's config.json.

    Raises:
        UserError: If there is none, it cannot be read, or it has a setting that this version does not know.
    """
    try:
        document = json.loads(folder.config.read_text(encoding="utf-8"))
        _check_known(document, folder.config)
        return RunConfig.from_json(document, folder)
    except FileNotFoundError as error:
        raise UserError(f"--run_dir={folder.path} holds no run: it has no {folder.config.name}") from error
    except (OSError, ValueError, AttributeError, KeyError, TypeError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise UserError(f"{folder.config} cannot be read ({reason}); use another --run_dir") from error


def _check_known(document: Mapping[str, Any], path: pathlib.Path) -> None:
    """Checks that every setting in config.json is one of this version's.

    Raises:
        UserError: If one is not.
    """
    known = {name: {field.name for field in dataclasses.fields(kind)} for name, kind in _SECTIONS.items()}
    known["runtime"].add("data_dir")
    for section, names in known.items():
        for name in document[section].keys() - names:
            raise UserError(
                f"{path} has the setting {section}.{name}, which mrisynth {mrisynth.__version__} does not "
                f"know; use mrisynth {document.get('mrisynth')}, which wrote it, or another --run_dir"
            )


def write_run_config(config: RunConfig) -> None:
    """Writes a run's config.json.

    Raises:
        UserError: If the run's folder cannot be written.
    """
    path = config.training.folder.config
    aside = path.with_name(f".{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with aside.open("w", encoding="utf-8") as file:
            file.write(json.dumps(config.to_json(), indent=2) + "\n")
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    except OSError as error:
        raise UserError(f"--run_dir={path.parent} cannot be written: {error.strerror}") from error


def differences(found: RunConfig, asked: RunConfig, begun: Collection[int]) -> list[str]:
    """Names every setting that makes two runs different ones.

    Args:
        found: The run that a folder holds.
        asked: The run that is to go on there. Without a fingerprint, its data set is taken for the same.
        begun: Resolutions whose training has begun. The batch of any other may still change: whoever finds
            that it does not fit the device loses nothing.

    Returns:
        One text for each flag; empty for the same run.
    """
    before, now = found.identity(), asked.identity()
    batches = now["schedule"]["batch_sizes"].items()
    before["schedule"]["batch_sizes"] |= {r: batch for r, batch in batches if int(r) not in begun}
    lines = []
    for section, values in now.items():
        for name, value in values.items():
            if before[section][name] == value or (name == "fingerprint" and value is None):
                continue
            if name == "fingerprint":
                lines.append("--data_dir holds another data set")
            else:
                line = f"--{name} was {_as_flag(before[section][name])}, is {_as_flag(value)}"
                lines.append(line)
    # The networks and their schedule both have a resolution.
    return list(dict.fromkeys(lines))


def _as_flag(value: Any) -> str:
    """A setting as one would write it on the command line."""
    if isinstance(value, dict):
        return ",".join(f"{key}:{item}" for key, item in value.items())
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)
