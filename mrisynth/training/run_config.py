"""config.json: what makes a run this run, and how it is carried out."""

from __future__ import annotations

import dataclasses
import json
import pathlib
from collections.abc import Mapping
from typing import Any

import mrisynth
from mrisynth.atomic_io import write_text_aside
from mrisynth.data.labels import LabelSchema
from mrisynth.errors import UserError, naming_disk_errors
from mrisynth.networks.config import NetworkConfig
from mrisynth.run_folder import RunFolder
from mrisynth.training.config import OptimizationConfig, RuntimeConfig, TrainingConfig
from mrisynth.training.origin import Origin
from mrisynth.training.schedule import GrowthSchedule


def _names(kind: type) -> set[str]:
    return {field.name for field in dataclasses.fields(kind)}


_SETTINGS = {
    "run": {"model"},
    "network": _names(NetworkConfig),
    "schedule": _names(GrowthSchedule),
    "optimization": _names(OptimizationConfig),
    "data": {
        *("phantom_subjects", "phantom_contrasts", "fingerprint", "channels"),
        *("conditions", "labels"),
    },
    "runtime": {"data_dir"} | _names(RuntimeConfig),
}


@dataclasses.dataclass(frozen=True)
class RunConfig:
    """What config.json says about a run.

    Attributes:
        training: All settings of the run.
        fingerprint: Identifies the data set of the run; None where it is not known.
        environment: What "auto" came to on the machine that trained last, and its versions.
        channels: Names of the images' channels in the data set.
        origin: Where the first weights came from; None if they were drawn.
        takes_labels_otherwise: Whether the run has labels and is of an earlier mrisynth, whose discriminator
            took them in another way: images can be drawn from it, but training cannot go on.
    """

    training: TrainingConfig
    fingerprint: str | None
    environment: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    channels: tuple[str, ...] = ("image",)
    origin: Origin | None = None
    takes_labels_otherwise: bool = False

    def identity(self) -> dict[str, dict[str, Any]]:
        """What makes a run this run, as JSON reads it: all settings but how the run is carried out."""
        config = self.training
        schedule = {**dataclasses.asdict(config.schedule), "batch_sizes": config.schedule.used_batch_sizes}
        sections = {
            "run": {"model": config.model},
            "network": dataclasses.asdict(config.network),
            "schedule": schedule,
            "optimization": dataclasses.asdict(config.optimization),
            "data": {
                "phantom_subjects": config.phantom_subjects,
                "phantom_contrasts": config.phantom_contrasts,
                "fingerprint": self.fingerprint,
                "channels": self.channels,
                "conditions": config.conditions,
                "labels": config.label_schema.to_json(),
            },
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
            **({"init_from": self.origin.to_json(with_path=True)} if self.origin else {}),
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any], folder: RunFolder) -> RunConfig:
        """Reads the contents of config.json.

        A setting that is missing has its default, as older versions did not write those that were not there
        yet. A run's own phantoms are looked for in its folder, if they are not where they were.

        Args:
            document: As `to_json` gives it.
            folder: The run's folder, which may have been moved.

        Raises:
            AttributeError, KeyError, TypeError: If it is not laid out like a config.json.
            UserError, ValueError: If a setting has a value that it cannot have.
        """
        data, runtime = document.get("data", {}), dict(document.get("runtime", {}))
        data_dir = pathlib.Path(runtime.pop("data_dir", folder.phantom_data))
        phantom_subjects = data.get("phantom_subjects")
        if phantom_subjects is not None and not data_dir.exists():
            data_dir = folder.phantom_data
        schedule = dict(document["schedule"])
        if "batch_sizes" in schedule:
            schedule["batch_sizes"] = {int(r): batch for r, batch in schedule["batch_sizes"].items()}
        origin = Origin.from_json(document["init_from"]) if "init_from" in document else None
        training = TrainingConfig(
            run_dir=folder.path,
            data_dir=data_dir,
            phantom_subjects=phantom_subjects,
            phantom_contrasts=tuple(data.get("phantom_contrasts", TrainingConfig.phantom_contrasts)),
            **document.get("run", {}),
            network=_parse(NetworkConfig, document["network"]),
            schedule=_parse(GrowthSchedule, schedule),
            optimization=_parse(OptimizationConfig, document.get("optimization", {})),
            runtime=_parse(RuntimeConfig, runtime),
            conditions=tuple(data.get("conditions", ())),
            label_schema=LabelSchema.from_json(data.get("labels", ())),
            init_from=origin and origin.path,
        )
        return cls(
            training,
            data.get("fingerprint"),
            document.get("environment", {}),
            tuple(data.get("channels", cls.channels)),
            origin,
            bool(training.label_schema.width) and "wrong_labels" not in document.get("optimization", {}),
        )


def _parse(kind: type, section: Mapping[str, Any]) -> Any:
    """One section of config.json as the dataclass that it was written from."""
    values = {name: tuple(value) if isinstance(value, list) else value for name, value in section.items()}
    return kind(**values)


def read_run_config(folder: RunFolder) -> RunConfig:
    """Reads a run's config.json.

    Raises:
        UserError: If there is none, it cannot be read, or it has a setting that this version does not know.
    """
    path = folder.config
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        unknown = _unknown_settings(document)
        if not unknown:
            return RunConfig.from_json(document, folder)
    except FileNotFoundError as error:
        raise UserError(f"--run_dir={folder.path} holds no run: it has no {path.name}") from error
    except (OSError, UserError, ValueError, AttributeError, KeyError, TypeError) as error:
        raise UserError(f"{path} cannot be read ({_reason(error)}); use another --run_dir") from error
    raise UserError(
        f"{path} has settings that mrisynth {mrisynth.__version__} does not know ({', '.join(unknown)}); use "
        f"mrisynth {document.get('mrisynth')}, which wrote it, or another --run_dir"
    )


def check_goes_on(found: RunConfig, flag: str) -> None:
    """Checks that training can go on from a run's networks.

    Args:
        found: The run that a folder holds.
        flag: The flag that names the folder, for errors.

    Raises:
        UserError: If the run has labels and is of a time when its discriminator took them otherwise.
    """
    if found.takes_labels_otherwise:
        raise UserError(
            f"{flag}={found.training.run_dir} has labels and is of an earlier mrisynth, whose discriminator "
            "took them otherwise; it still draws, but to go on with it, train it anew in another --run_dir"
        )


def _unknown_settings(document: Mapping[str, Any]) -> list[str]:
    """Settings in config.json that are none of this version's."""
    sections = ((document.get(section, {}), known) for section, known in _SETTINGS.items())
    return [name for section, known in sections for name in section if name not in known]


def _reason(error: Exception) -> str:
    """What is wrong with the file, in words."""
    return f"it has no {error}" if isinstance(error, KeyError) else str(error)


def write_run_config(config: RunConfig) -> None:
    """Writes a run's config.json.

    Raises:
        UserError: If the run's folder cannot be written.
    """
    path = config.training.folder.config
    with naming_disk_errors(path.parent, "--run_dir"):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text_aside(path, json.dumps(config.to_json(), indent=2) + "\n")


_LENGTHS = ("total_iterations", "finetune_iterations")


def differences(found: RunConfig, asked: RunConfig, reached: int) -> list[str]:
    """Names every setting that makes two runs different ones.

    Args:
        found: The run that a folder holds.
        asked: The run that is to go on there. Without a fingerprint, its data set is taken for the same.
        reached: The iteration that it has come to. The batch of a resolution that has not begun may still
            change: whoever finds that it does not fit the device loses nothing. The run may become longer,
            unless its labels would have another weight where it stands.

    Returns:
        One text for each flag; empty for the same run.
    """
    before, now = found.identity(), asked.identity()
    schedule, longer = found.training.schedule, asked.training.schedule
    begun = {phase.resolution for phase in longer.phases if phase.first_iteration < reached}
    batches = now["schedule"]["batch_sizes"].items()
    before["schedule"]["batch_sizes"] |= {r: batch for r, batch in batches if int(r) not in begun}
    if longer.lengthens(schedule, reached) and (
        not asked.training.conditions or longer.same_label_weight(schedule, reached)
    ):
        before["schedule"] |= {name: now["schedule"][name] for name in _LENGTHS}
    with_conditions = before["data"]["conditions"] or now["data"]["conditions"]
    lines = []
    for section, values in now.items():
        for name, value in values.items():
            # Channels are those of the data set, which its fingerprint covers; from it and from the
            # conditions labels follow.
            follows = name == "channels" or (name == "labels" and with_conditions)
            unknown = follows or (name == "fingerprint" and value is None)
            if unknown or before[section][name] == value:
                continue
            if name == "fingerprint":
                lines.append("--data_dir holds another data set")
            else:
                line = f"--{name} was {_as_flag(before[section][name])}, is {_as_flag(value)}"
                lines.append(line)
    # Who goes on need not say again where the first weights came from.
    first, again = found.training.init_from, asked.training.init_from
    if again is not None and (first is None or first.resolve() != again.resolve()):
        lines.append(f"--init_from was {first or 'not given'}, is {again}")
    # The networks and their schedule both have a resolution.
    return list(dict.fromkeys(lines))


def _as_flag(value: Any) -> str:
    """A setting as one would write it on the command line."""
    if isinstance(value, dict):
        return ",".join(f"{key}:{item}" for key, item in value.items())
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)
