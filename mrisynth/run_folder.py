"""Every path inside a run's folder, once."""

from __future__ import annotations

import dataclasses
import pathlib

RESULTS_NAME = "results.json"
REPORT_NAME = "report.html"


@dataclasses.dataclass(frozen=True)
class RunFolder:
    """The folder of a run, which need not exist yet.

    Attributes:
        path: The folder itself.
    """

    path: pathlib.Path

    @property
    def config(self) -> pathlib.Path:
        """The settings of the run, a JSON file."""
        return self.path / "config.json"

    @property
    def checkpoints(self) -> pathlib.Path:
        """The folder of the checkpoints."""
        return self.path / "checkpoints"

    @property
    def tensorboard(self) -> pathlib.Path:
        """The folder of TensorBoard's events and profiles."""
        return self.path / "tensorboard"

    @property
    def samples(self) -> pathlib.Path:
        """The folder of the image grids."""
        return self.path / "samples"

    def sample_grid(self, name: str, image: int, resolution: int) -> pathlib.Path:
        """The PNG file of the grid "generated", "real" or "generated_by_LABEL" after so many images."""
        return self.samples / f"{name}_{image:09d}_{resolution:03d}x{resolution:03d}.png"

    @property
    def evaluation(self) -> pathlib.Path:
        """The folder of the run's evaluation."""
        return self.path / "evaluation"

    @property
    def results(self) -> pathlib.Path:
        """What the evaluation measured, a JSON file."""
        return self.evaluation / RESULTS_NAME

    @property
    def saved_model(self) -> pathlib.Path:
        """The folder of the versions of the exported generator."""
        return self.path / "saved_model"

    @property
    def exported(self) -> pathlib.Path:
        """The newest version of the exported generator; a run that was made longer has several."""
        numbers = [int(path.name) for path in self.saved_model.glob("[1-9]*") if path.name.isdigit()]
        return self.saved_model / str(max(numbers, default=1))

    @property
    def phantom_scans(self) -> pathlib.Path:
        """The scans of the head phantoms that a run without other data draws."""
        return self.path / "phantoms" / "scans"

    @property
    def phantom_data(self) -> pathlib.Path:
        """The data set that is prepared from the phantoms."""
        return self.path / "phantoms" / "prepared"
