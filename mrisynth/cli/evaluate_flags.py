"""The flags of an evaluation."""

from __future__ import annotations

import pathlib

from absl import flags

from mrisynth.cli import shipped
from mrisynth.cli.flag_values import COPY_RATIO, define_fields, from_flags, group, path
from mrisynth.errors import UserError
from mrisynth.evaluation.config import EvaluationConfig, EvaluationSettings
from mrisynth.privacy.verdict import Thresholds
from mrisynth.run_folder import RunFolder

_FOLDERS = {
    "run_dir": "Folder of a run, finished or not.",
    "saved_model": "In place of it an exported generator, NAME or NAME/VERSION.",
    "data_dir": "Prepared data set to compare with; that of the run if not given.",
    "output": "Folder for results.json and report.html; RUN/evaluation if not given, needed with "
    "--saved_model.",
    "features": "SavedModel or Keras file, such as RadImageNet or Inception, whose outputs are the features "
    "that images are compared by; takes images in [-1, 1]. Ours, which need no download, if not given.",
    "show_real": "Show real slices in the report, which makes it as confidential as they are.",
}
_SETTINGS = {
    "images": "Images to generate.",
    "pairs": "Random pairs for MS-SSIM.",
    "repeats": "How often every measure is taken, for its spread.",
    "draws": "How often subjects are drawn for confidence intervals.",
    "fidelity": "Of a generator that knows labels: measure whether images show what they were asked for.",
    "fidelity_steps": "Batches that each of the two networks is trained on that read labels.",
    "seed": "Of the first image, and of random choices.",
    "changed_copies": "Look for copies that were turned, enlarged, warped or blurred, and for patches of "
    "scans, too. Takes minutes the first time, to learn from the data set.",
    "utility": "What networks are trained on generated and on real images for, to see of what use the images "
    "are: auto is segmentation where a mask is among the channels, else classification where the generator "
    "knows a label of several categories, else none.",
    "utility_steps": "Training steps of each of these 18 networks.",
}
_THRESHOLDS = {
    **COPY_RATIO,
    "max_unseen_copies": "Part of images that count as copies which the interval must exclude.",
    "closest_part": "Generated images count as close beyond this part of new subjects.",
    "max_closer_share": "Part of close generated images that is still harmless.",
    "max_authenticity_loss": "How much less authentic than new subjects images may be.",
    "max_nearer_auc": "How often images may be nearer to training slices than new subjects' are.",
    "max_membership_auc": "Area under the membership attack's curve that is still harmless.",
    "max_auc_error": "Half its interval beyond which there are too few subjects.",
}


def define(values: flags.FlagValues) -> None:
    """Defines every flag of the program."""
    define_fields(EvaluationConfig, _FOLDERS, **group(values, "What is evaluated"))
    define_fields(EvaluationSettings, _SETTINGS, **group(values, "How thoroughly"))
    define_fields(Thresholds, _THRESHOLDS, **group(values, "What the verdict on copying is decided by"))


def config(values: flags.FlagValues) -> EvaluationConfig:
    """Makes a configuration of the flags.

    Raises:
        UserError: If a flag has a value that it cannot have.
    """
    run_dir = path(values, "run_dir")
    return EvaluationConfig(
        run_dir=run_dir,
        saved_model=shipped.saved_model(values.saved_model) if values.saved_model else None,
        data_dir=path(values, "data_dir"),
        output=path(values, "output") or _default_output(run_dir),
        features=path(values, "features"),
        show_real=values.show_real,
        settings=from_flags(values, EvaluationSettings, thresholds=from_flags(values, Thresholds)),
    )


def _default_output(run_dir: pathlib.Path | None) -> pathlib.Path:
    if run_dir is None:
        # Not beside a SavedModel: servers watch its folder.
        raise UserError(
            "without --run_dir, --output must name the folder for results.json and report.html; give "
            "--run_dir, or --saved_model with --data_dir and --output"
        )
    return RunFolder(run_dir).evaluation
