"""Which runs a comparison consists of."""

from __future__ import annotations

import dataclasses
import itertools
import pathlib

from mrisynth.comparison.paired import FEWEST_PAIRS
from mrisynth.cores import available_cores
from mrisynth.data import read_manifest
from mrisynth.errors import UserError
from mrisynth.evaluation.config import AT_END, FEWEST_EVALUATED, SMALLEST_RESOLUTION, UtilityTask
from mrisynth.training.config import TrainingConfig
from mrisynth.training.run_config import RunConfig, differences, read_run_config


@dataclasses.dataclass(frozen=True)
class PlannedRun:
    """One run of a comparison.

    Attributes:
        training: The run; its model and its seed say whose pair it belongs to.
        arguments: The flags that mrisynth-train is given for it.
    """

    training: TrainingConfig
    arguments: tuple[str, ...]

    @property
    def model(self) -> str:
        """The model of the abstract."""
        return self.training.model

    @property
    def seed(self) -> int:
        """What the runs of a pair have in common."""
        return self.training.optimization.seed

    @property
    def name(self) -> str:
        """What the run is called on the screen."""
        return f"model {self.model}, seed {self.seed}"

    @property
    def log(self) -> pathlib.Path:
        """The file of what its programs say."""
        return self.training.run_dir.with_name(f"{self.training.run_dir.name}.log")


@dataclasses.dataclass(frozen=True)
class ComparisonConfig:
    """A comparison of models.

    Attributes:
        output: Folder for the runs, comparison.json and comparison.md. Giving it again resumes.
        runs: Every model with every seed, pair by pair.
        jobs: Runs that are trained at the same time, each on its share of the cores.
        images: Images of every evaluation; as many as at the end of every run if not given.
        utility: What networks are trained on generated images for; NONE where it is not tried out.
    """

    output: pathlib.Path
    runs: tuple[PlannedRun, ...]
    jobs: int = 1
    images: int = AT_END.images
    utility: UtilityTask = UtilityTask.NONE

    def __post_init__(self) -> None:
        if len(self.seeds) < FEWEST_PAIRS:
            raise UserError(f"--seeds={len(self.seeds)} is too few; use at least {FEWEST_PAIRS}")
        if not 1 <= self.jobs <= available_cores():
            raise UserError(
                f"--jobs={self.jobs} must be at least 1 and at most the {available_cores()} cores there are"
            )
        if self.images < FEWEST_EVALUATED:
            raise UserError(f"--images={self.images} is too few; use at least {FEWEST_EVALUATED}")
        for first, second in itertools.combinations(self.runs[: len(self.models)], 2):
            if _settings(first) == _settings(second):
                raise UserError(
                    f"--models={first.model},{second.model} are one and the same, as the flags leave them "
                    "nothing to differ in; leave out --attention_discriminator, --attention_generator and "
                    "--finetune_iterations"
                )

    @property
    def models(self) -> tuple[str, ...]:
        """The models in the order in which they were named."""
        return tuple(dict.fromkeys(run.model for run in self.runs))

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds in order."""
        return tuple(dict.fromkeys(run.seed for run in self.runs))


def _settings(run: PlannedRun) -> dict[str, object]:
    """What a run is, but for the letter of its model."""
    return {**RunConfig(run.training, None).identity(), "run": {}}


def check_data_and_runs(config: ComparisonConfig) -> None:
    """Checks that runs on the data set can be evaluated, and that those which are there belong to this plan.

    Raises:
        UserError: If not.
    """
    first = config.runs[0].training
    if first.network.resolution < SMALLEST_RESOLUTION:
        raise UserError(
            f"images of {first.network.resolution}x{first.network.resolution} are too small to evaluate, and "
            f"so to compare; use at least --resolution={SMALLEST_RESOLUTION}"
        )
    manifest = read_manifest(first.data_dir)
    for name, split in manifest.splits.items():
        if split.slices < FEWEST_EVALUATED:
            raise UserError(
                f"runs are compared by {FEWEST_EVALUATED} slices or more of each side of --data_dir: "
                f"{first.data_dir} has {split.slices} on the {name} side; prepare it with --holdout=0.2"
            )
    for run in config.runs:
        network = dataclasses.replace(run.training.network, channels=len(manifest.channels))
        training = dataclasses.replace(run.training, network=network)
        if not training.folder.config.exists():
            continue
        found, asked = read_run_config(training.folder), RunConfig(training, manifest.fingerprint)
        if different := differences(found, asked, found.training.schedule.iterations):
            raise UserError(
                f"--output={config.output} holds a comparison with other settings ({'; '.join(different)}); "
                "give the same flags to go on with it, or another --output"
            )
