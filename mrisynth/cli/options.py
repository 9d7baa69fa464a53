"""Every flag of every program, once, with its help and validation.

Flags are turned at once into the frozen dataclasses that the rest of the code takes; nothing below this
module reads a flag.
"""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Mapping

from absl import flags

from mrisynth.data.config import PreparationConfig
from mrisynth.data.slices import PLANES
from mrisynth.data.volumes import INTERPOLATION_ORDERS
from mrisynth.errors import UserError
from mrisynth.evaluation.config import FEWEST_EVALUATED, EvaluationConfig, EvaluationSettings
from mrisynth.networks.config import DEFAULT_ATTENTION, NetworkConfig, level_of
from mrisynth.privacy.verdict import Thresholds
from mrisynth.release.config import ReleaseConfig
from mrisynth.release.formats import FORMATS
from mrisynth.release.formats.png import BITS
from mrisynth.run_folder import RunFolder
from mrisynth.sampling.config import InterpolationConfig
from mrisynth.serving.client import PROTOCOLS, SIGNATURES, Query
from mrisynth.training.config import (
    Augmentation,
    JitCompile,
    OptimizationConfig,
    OptimizerName,
    Precision,
    RuntimeConfig,
    Strategy,
    TrainingConfig,
)
from mrisynth.training.schedule import DEFAULT_BATCH_SIZES, GrowthSchedule


@dataclasses.dataclass(frozen=True)
class ModelDefaults:
    """What a model of the abstract stands for, where no flag says otherwise ([ABS]).

    Attributes:
        attention_discriminator: Resolutions with self-attention in the discriminator.
        attention_generator: The same for the generator.
        finetune_iterations: Extra iterations at the reduced rate.
    """

    attention_discriminator: tuple[int, ...] = ()
    attention_generator: tuple[int, ...] = ()
    finetune_iterations: int = 0


MODELS: Mapping[str, ModelDefaults] = {
    "a": ModelDefaults(),
    "b": ModelDefaults(attention_discriminator=DEFAULT_ATTENTION),
    "c": ModelDefaults(attention_discriminator=DEFAULT_ATTENTION, finetune_iterations=375_000),
    "d": ModelDefaults(attention_discriminator=DEFAULT_ATTENTION, attention_generator=DEFAULT_ATTENTION),
}


def define_training_flags() -> None:
    """Defines the flags of mrisynth.main."""
    flags.DEFINE_string(
        "run_dir", None, "Folder of the run; runs/model_X if not given. Giving it again resumes."
    )
    flags.DEFINE_string(
        "data_dir", None, "Data set prepared by mrisynth-prepare; if not given, head phantoms are drawn."
    )
    flags.DEFINE_integer("phantom_subjects", 32, "How many phantoms are drawn where --data_dir is not given.")
    flags.DEFINE_enum("model", "b", list(MODELS), "Model of the abstract; the attention and schedule it had.")
    _define_network_flags()
    _define_schedule_flags()
    _define_optimization_flags()
    _define_runtime_flags()


def _define_network_flags(resolution: bool = True) -> None:
    default = NetworkConfig()
    if resolution:
        flags.DEFINE_integer(
            "resolution", default.resolution, "Pixels along an edge; 4 times a power of two."
        )
    flags.DEFINE_integer("latent_size", default.latent_size, "Length of a latent.")
    flags.DEFINE_integer(
        "fmap_base", default.fmap_base, "Channels at r x r: min(2 * fmap_base / r, fmap_max)."
    )
    flags.DEFINE_integer("fmap_max", default.fmap_max, "Most channels at any resolution.")
    flags.DEFINE_list(
        "attention_discriminator", None, "Resolutions with self-attention in the discriminator, as in 32,64."
    )
    flags.DEFINE_list("attention_generator", None, "Resolutions with self-attention in the generator.")
    flags.DEFINE_bool(
        "fused_resampling", default.fused_resampling, "Fold up- and downsampling into the convolutions."
    )


def _define_schedule_flags() -> None:
    default = GrowthSchedule()
    flags.DEFINE_integer("fade_images", default.fade_images, "Images over which a resolution fades in.")
    flags.DEFINE_integer("stable_images", default.stable_images, "Images to stabilize a resolution.")
    flags.DEFINE_integer(
        "total_iterations",
        default.total_iterations,
        "Iterations of the run before fine-tuning; 0 stabilizes the last resolution like the others.",
    )
    flags.DEFINE_integer("finetune_iterations", None, "Extra iterations at --finetune_learning_rate.")
    flags.DEFINE_float("learning_rate", default.learning_rate, "Of both optimizers.")
    flags.DEFINE_float("finetune_learning_rate", default.finetune_learning_rate, "While fine-tuning.")
    flags.DEFINE_list(
        "batch_sizes",
        [f"{resolution}:{batch}" for resolution, batch in DEFAULT_BATCH_SIZES.items()],
        "Global batch by resolution.",
    )


def _define_optimization_flags() -> None:
    default = OptimizationConfig()
    flags.DEFINE_float("gradient_penalty", default.gradient_penalty, "Weight of the gradient penalty.")
    flags.DEFINE_float("drift", default.drift, "Weight of the squared scores of real images.")
    flags.DEFINE_float("ema_decay", default.ema_decay, "Of the generator's moving average, per step.")
    flags.DEFINE_enum(
        "optimizer",
        default.optimizer,
        list(OptimizerName),
        "Of both networks; all but adam need tensorflow-addons (mrisynth's extra addons).",
    )
    flags.DEFINE_integer(
        "gp_interval",
        default.gp_interval,
        "Compute the gradient penalty in every so many-th iteration, so many times as heavy.",
    )
    flags.DEFINE_integer(
        "critic_steps",
        default.critic_steps,
        "Iterations, each a step of the discriminator, for every step of the generator.",
    )
    flags.DEFINE_enum(
        "augment",
        default.augment,
        list(Augmentation),
        "For small data sets: mirror flips real images left to right with probability 1/2; diffaug changes "
        "real and generated images alike before the discriminator sees them.",
    )
    flags.DEFINE_integer("seed", default.seed, "Of weights, latents and the order of the data.")


def _define_runtime_flags() -> None:
    default = RuntimeConfig()
    flags.DEFINE_enum(
        "strategy",
        default.strategy,
        list(Strategy),
        "How devices share the work: default is one device, mirrored all GPUs of this machine, multi_worker "
        "all GPUs of several machines (see the README).",
    )
    flags.DEFINE_list(
        "gpus", None, "Numbers of the GPUs of this machine to use, as in 0,1; all if not given."
    )
    flags.DEFINE_enum(
        "precision",
        default.precision,
        list(Precision),
        "What is computed in; auto takes bfloat16 where the hardware has it.",
    )
    flags.DEFINE_enum(
        "jit_compile",
        default.jit_compile,
        list(JitCompile),
        "Compile the step with XLA; auto does so on GPUs.",
    )
    flags.DEFINE_bool(
        "dry_run", False, "Estimate the run's time, memory and disk from a few steps; write nothing."
    )
    flags.DEFINE_bool("deterministic", default.deterministic, "The same bits on every run, at some cost.")
    flags.DEFINE_float("checkpoint_minutes", default.checkpoint_minutes, "Minutes between checkpoints.")
    flags.DEFINE_integer("scalar_interval", default.scalar_interval, "Iterations between scalars.")
    flags.DEFINE_integer("grid_interval", default.grid_interval, "Images between sample grids.")
    flags.DEFINE_integer(
        "eval_interval",
        default.eval_interval,
        "Images between short evaluations, in TensorBoard; 0 for none.",
    )
    flags.DEFINE_list(
        "profile_steps", [], "First and last iteration that TensorBoard's profiler records, as in 100,110."
    )


def training_config() -> TrainingConfig:
    """The flags of mrisynth.main as a configuration.

    An explicit flag beats a flagfile beats what --model stands for beats the default. Where --data_dir is
    not given, the configuration's data_dir is where the phantoms of the run go.

    Raises:
        UserError: If a flag has a value that it cannot have.
    """
    values = flags.FLAGS
    run_dir = pathlib.Path(values.run_dir or f"runs/model_{values.model}")
    network = _network_config(MODELS[values.model], values.resolution)
    return TrainingConfig(
        run_dir=run_dir,
        data_dir=pathlib.Path(values.data_dir) if values.data_dir else RunFolder(run_dir).phantom_data,
        phantom_subjects=None if values.data_dir else values.phantom_subjects,
        model=values.model,
        network=network,
        schedule=_schedule(network.resolution),
        optimization=_from_flags(OptimizationConfig),
        runtime=_from_flags(
            RuntimeConfig,
            gpus=None if values.gpus is None else _integers("gpus"),
            profile_steps=_integers("profile_steps"),
        ),
    )


def is_dry_run() -> bool:
    """Whether mrisynth.main is to foretell the run only; no part of what a run is."""
    return flags.FLAGS.dry_run


def _from_flags(kind: type, **given: object) -> object:
    """A dataclass whose fields are flags of the same name, but for those given."""
    names = (field.name for field in dataclasses.fields(kind))
    return kind(**{name: given[name] if name in given else flags.FLAGS[name].value for name in names})


def _network_config(model: ModelDefaults, resolution: int) -> NetworkConfig:
    """The network of a resolution, with a model's attention where no flag says otherwise."""

    def attention(name: str) -> tuple[int, ...]:
        given = flags.FLAGS[name].value
        if given is None:
            default = getattr(model, name)
            kept = tuple(r for r in default if r <= resolution)
            if default and not kept:
                raise UserError(
                    f"--resolution={resolution} has none of the maps that this --model attends to "
                    f"({', '.join(map(str, default))}); say which ones with --{name}"
                )
            return kept
        return _integers(name)

    return _from_flags(
        NetworkConfig,
        resolution=resolution,
        channels=1,
        rank=2,
        attention_discriminator=attention("attention_discriminator"),
        attention_generator=attention("attention_generator"),
    )


def _schedule(resolution: int) -> GrowthSchedule:
    finetune = flags.FLAGS.finetune_iterations
    if finetune is None:
        finetune = MODELS[flags.FLAGS.model].finetune_iterations
    return _from_flags(
        GrowthSchedule, resolution=resolution, finetune_iterations=finetune, batch_sizes=_batch_sizes()
    )


def _batch_sizes() -> dict[int, int]:
    batch_sizes = {}
    for part in flags.FLAGS.batch_sizes:
        size, separator, batch = part.partition(":")
        if not separator:
            raise UserError(f"--batch_sizes has '{part}'; write resolution:batch, as in 64:32")
        batch_sizes[_integer("batch_sizes", size)] = _integer("batch_sizes", batch)
    return batch_sizes


def _integers(flag: str) -> tuple[int, ...]:
    """A flag that is a list of whole numbers."""
    return tuple(_integer(flag, part) for part in flags.FLAGS[flag].value if part)


def _integer(flag: str, text: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise UserError(f"--{flag} has '{text}', which is not a whole number") from error


@dataclasses.dataclass(frozen=True)
class BenchmarkConfig:
    """What tools/benchmark.py measures.

    Attributes:
        networks: One for every resolution to measure, at its full size.
        batch_sizes: Images a step by resolution.
        precision: "auto", "float32" or "mixed_bfloat16".
        rounds: Turns over which medians are taken.
        data_dir: A prepared data set for the input pipeline; phantoms if None.
        evaluation: Generated, training and held-out images of an evaluation at the largest resolution, to be
            measured in place of all else; empty for none.
        release: Images of a release at the largest resolution, to be measured in place of all else; 0 for
            none.
        as_json: Whether to print JSON in place of a table.
    """

    networks: tuple[NetworkConfig, ...]
    batch_sizes: Mapping[int, int]
    precision: str
    rounds: int
    data_dir: pathlib.Path | None
    evaluation: tuple[int, ...]
    release: int
    as_json: bool


def define_benchmark_flags() -> None:
    """Defines the flags of tools/benchmark.py."""
    _define_network_flags(resolution=False)
    flags.DEFINE_list("resolutions", ["8", "16", "32", "64", "128", "256"], "What to measure.")
    flags.DEFINE_list(
        "batch_sizes", ["8:64", "16:64", "32:32", "64:8", "128:8", "256:8"], "Images a step by resolution."
    )
    flags.DEFINE_enum("precision", "auto", list(Precision), "What is compared with plain float32.")
    flags.DEFINE_integer("rounds", 5, "Turns over which medians are taken.")
    flags.DEFINE_string("data_dir", None, "Prepared data set for the input pipeline; phantoms if not given.")
    flags.DEFINE_list(
        "evaluation",
        [],
        "Measure nothing but an evaluation at the largest resolution, of so many generated, training and "
        "held-out images, as in 20000,35000,7000.",
    )
    flags.DEFINE_integer(
        "release",
        0,
        "Measure nothing but a release of so many images at the largest resolution, in every format, and how "
        "fast the generator alone is.",
    )
    flags.DEFINE_bool("json", False, "Print JSON in place of a table.")


def benchmark_config() -> BenchmarkConfig:
    """The flags of tools/benchmark.py as a configuration.

    Raises:
        UserError: If a flag has a value that it cannot have.
    """
    resolutions = [_integer("resolutions", part) for part in flags.FLAGS.resolutions]
    for resolution in resolutions:
        try:
            level_of(resolution)
        except ValueError as error:
            raise UserError(f"--resolutions: {error}; use some of 8, 16, 32, 64, 128, 256") from error
    if not resolutions:
        raise UserError("--resolutions is empty; use some of 8, 16, 32, 64, 128, 256")
    batch_sizes = _batch_sizes()
    missing = [resolution for resolution in resolutions if batch_sizes.get(resolution, 0) < 1]
    if missing:
        raise UserError(f"--batch_sizes has no batch for {missing[0]}x{missing[0]}; add {missing[0]}:N")
    if flags.FLAGS.rounds < 1:
        raise UserError(f"--rounds={flags.FLAGS.rounds} must be at least 1")
    evaluation = _integers("evaluation")
    if evaluation and (len(evaluation) != 3 or min(evaluation) < FEWEST_EVALUATED):
        raise UserError(
            f"--evaluation takes the numbers of generated, training and held-out images, {FEWEST_EVALUATED} "
            "at least, as in 20000,35000,7000"
        )
    if flags.FLAGS.release < 0:
        raise UserError(f"--release={flags.FLAGS.release} must be a number of images, as in 1000")
    largest = _network_config(ModelDefaults(), max(resolutions))
    return BenchmarkConfig(
        networks=tuple(_cut_down(largest, resolution) for resolution in resolutions),
        batch_sizes=batch_sizes,
        precision=flags.FLAGS.precision,
        rounds=flags.FLAGS.rounds,
        data_dir=pathlib.Path(flags.FLAGS.data_dir) if flags.FLAGS.data_dir else None,
        evaluation=evaluation,
        release=flags.FLAGS.release,
        as_json=flags.FLAGS.json,
    )


def _cut_down(network: NetworkConfig, resolution: int) -> NetworkConfig:
    """The same network at a smaller size, with the attention that it still has maps for."""
    attention = {
        name: tuple(r for r in getattr(network, name) if r <= resolution)
        for name in ("attention_discriminator", "attention_generator")
    }
    return dataclasses.replace(network, resolution=resolution, **attention)


def define_evaluation_flags() -> None:
    """Defines the flags of tools/evaluate.py."""
    default, limits = EvaluationSettings(), Thresholds()
    flags.DEFINE_string("run_dir", None, "Folder of a run, finished or not.")
    flags.DEFINE_string("saved_model", None, "In place of it an exported generator, NAME or NAME/VERSION.")
    flags.DEFINE_string("data_dir", None, "Prepared data set to compare with; that of the run if not given.")
    flags.DEFINE_string(
        "output",
        None,
        "Folder for results.json and report.html; RUN/evaluation if not given, needed with --saved_model.",
    )
    flags.DEFINE_string(
        "features",
        None,
        "SavedModel or Keras file, such as RadImageNet or Inception, whose outputs are the features that "
        "images are compared by; takes images in [-1, 1]. Ours, which need no download, if not given.",
    )
    flags.DEFINE_bool(
        "show_real", True, "Show real slices in the report, which makes it as confidential as they are."
    )
    flags.DEFINE_integer("images", default.images, "Images to generate.")
    flags.DEFINE_integer("pairs", default.pairs, "Random pairs for MS-SSIM.")
    flags.DEFINE_integer("repeats", default.repeats, "How often every measure is taken, for its spread.")
    flags.DEFINE_integer("draws", default.draws, "How often subjects are drawn for confidence intervals.")
    flags.DEFINE_integer("seed", default.seed, "Of latents and random choices.")
    _define_copy_ratio()
    flags.DEFINE_float(
        "max_unseen_copies",
        limits.max_unseen_copies,
        "Part of all images that may be copies without one having been drawn.",
    )
    flags.DEFINE_float("min_c_t", limits.min_c_t, "C_T below which copying cannot be ruled out.")
    flags.DEFINE_float(
        "closest_part",
        limits.closest_part,
        "Generated images count as close beyond this part of new patients.",
    )
    flags.DEFINE_float(
        "max_closer_share", limits.max_closer_share, "Part of close generated images that is still harmless."
    )
    flags.DEFINE_float(
        "max_membership_auc",
        limits.max_membership_auc,
        "Area under the membership attack's curve that is still harmless.",
    )
    flags.DEFINE_float(
        "max_auc_error", limits.max_auc_error, "Half its interval beyond which there are too few subjects."
    )


def evaluation_config() -> EvaluationConfig:
    """The flags of tools/evaluate.py as a configuration.

    Raises:
        UserError: If a flag has a value that it cannot have.
    """
    values = flags.FLAGS
    folders = {
        name: pathlib.Path(values[name].value) if values[name].value else None
        for name in ("run_dir", "saved_model", "data_dir", "output", "features")
    }
    folders["output"] = folders["output"] or _default_output(folders["run_dir"])
    settings = _from_flags(EvaluationSettings, thresholds=_from_flags(Thresholds), short=False)
    return EvaluationConfig(**folders, show_real=values.show_real, settings=settings)


def _default_output(run_dir: pathlib.Path | None) -> pathlib.Path:
    if run_dir is None:
        # Not beside a SavedModel: servers watch its folder.
        raise UserError(
            "without --run_dir, --output must name the folder for results.json and report.html; give "
            "--run_dir, or --saved_model with --data_dir and --output"
        )
    return RunFolder(run_dir).evaluation


def _define_copy_ratio() -> None:
    flags.DEFINE_float(
        "copy_ratio",
        Thresholds().copy_ratio,
        "A copy's distance to its nearest training subject is less than this part of that to any other.",
    )


def define_release_flags() -> None:
    """Defines the flags of tools/generate.py."""
    names = {field.name: field.default for field in dataclasses.fields(ReleaseConfig)}
    way = {field.name: field.default for field in dataclasses.fields(InterpolationConfig)}
    flags.DEFINE_string("saved_model", None, "An exported generator, NAME or NAME/VERSION.")
    flags.DEFINE_string("output", None, "Folder of the release; giving it again goes on or extends it.")
    flags.DEFINE_integer(
        "count",
        None,
        f"Images of the release; seeds on the way of --interpolate, {way['count']} if not given.",
    )
    flags.DEFINE_enum(
        "format",
        names["format"],
        list(FORMATS),
        "; ".join(f"{name}: {kind.summary}" for name, kind in FORMATS.items()) + ".",
    )
    flags.DEFINE_integer(
        "seed", names["seed"], "Of the first image; each next one has the next seed, which draws it again."
    )
    flags.DEFINE_float(
        "truncation", names["truncation"], "Less than 1 makes images more alike, and fewer of them odd."
    )
    flags.DEFINE_enum("bits", None, list(map(str, BITS)), "Of PNG files; 8 if not given.")
    flags.DEFINE_string(
        "suffix", None, "BIDS suffix of NIfTI files; if not given, what the model card says, else FLAIR."
    )
    flags.DEFINE_bool(
        "filter_copies", False, "Leave out images that are too close to the training data in --data_dir."
    )
    flags.DEFINE_string("data_dir", None, "The prepared data set that the generator was trained on.")
    _define_copy_ratio()
    flags.DEFINE_string(
        "interpolate", None, "In place of a release, a .gif or .png file of the way from seed to seed."
    )
    flags.DEFINE_integer("steps", way["steps"], "Images from one seed to the next, for --interpolate.")


def release_config() -> ReleaseConfig | InterpolationConfig:
    """The flags of tools/generate.py as a configuration.

    Raises:
        UserError: If a flag has a value that it cannot have, or one is missing.
    """
    values = flags.FLAGS
    if not values.saved_model:
        raise UserError("give --saved_model, a generator that mrisynth exported, as in saved_models/NAME")
    saved_model = pathlib.Path(values.saved_model)
    if values.interpolate:
        given = [name for name in _RELEASE_ONLY if values[name].present]
        if given:
            raise UserError(f"--{given[0]} is for a release; --interpolate shows images as they are")
        count = {} if values.count is None else {"count": values.count}
        return InterpolationConfig(
            saved_model, pathlib.Path(values.interpolate), values.seed, steps=values.steps, **count
        )
    for name, example in (("count", "100"), ("output", "DIR")):
        if values[name].value in (None, ""):
            raise UserError(f"give --{name}, as in --{name}={example}, or --interpolate=way.gif")
    if values.filter_copies != bool(values.data_dir):
        raise UserError(
            "--filter_copies needs --data_dir, the data set that the generator was trained on, and is what "
            "--data_dir is for; give both or neither"
        )
    return ReleaseConfig(
        saved_model=saved_model,
        output=pathlib.Path(values.output),
        count=values.count,
        format=values.format,
        seed=values.seed,
        truncation=values.truncation,
        bits=int(values.bits) if values.bits else None,
        suffix=values.suffix,
        data_dir=pathlib.Path(values.data_dir) if values.data_dir else None,
        copy_ratio=values.copy_ratio,
    )


_RELEASE_ONLY = ("output", "format", "truncation", "bits", "suffix", "filter_copies", "data_dir")


@dataclasses.dataclass(frozen=True)
class ExportConfig:
    """What tools/export.py exports, and where to.

    Attributes:
        run_dir: A run's folder.
        output: The model's folder, which gets a new version.
        data_dir: The run's data set; where it was when the run was trained if None.
    """

    run_dir: pathlib.Path
    output: pathlib.Path
    data_dir: pathlib.Path | None


def define_export_flags() -> None:
    """Defines the flags of tools/export.py."""
    flags.DEFINE_string("run_dir", None, "Folder of a run that has grown to its full resolution.")
    flags.DEFINE_string("output", None, "Folder of the model, as in saved_models/NAME; gets a new version.")
    flags.DEFINE_string("data_dir", None, "The run's data set, if it is no longer where it was.")


def export_config() -> ExportConfig:
    """The flags of tools/export.py as a configuration.

    Raises:
        UserError: If one is missing.
    """
    values = flags.FLAGS
    for name in ("run_dir", "output"):
        if not values[name].value:
            raise UserError("give --run_dir=RUN and --output=saved_models/NAME")
    data_dir = pathlib.Path(values.data_dir) if values.data_dir else None
    return ExportConfig(pathlib.Path(values.run_dir), pathlib.Path(values.output), data_dir)


@dataclasses.dataclass(frozen=True)
class QueryConfig:
    """What tools/query_serving.py asks a server, and where the images go.

    Attributes:
        query: What is asked.
        output: A folder, or a file NAME.npy or NAME.png.
    """

    query: Query
    output: pathlib.Path


def define_query_flags() -> None:
    """Defines the flags of tools/query_serving.py."""
    flags.DEFINE_string("server", "localhost:8501", "HOST:PORT of a running TensorFlow Serving.")
    flags.DEFINE_enum("protocol", "rest", list(PROTOCOLS), "What the server is spoken to by.")
    flags.DEFINE_string("model", None, "Name that the server knows the model by.")
    flags.DEFINE_enum(
        "signature",
        "generate",
        list(SIGNATURES),
        "generate has the server draw images from seeds, png sends 8-bit PNG, serving_default sends the "
        "latents of those seeds to the server.",
    )
    flags.DEFINE_integer("count", 16, "How many images.")
    flags.DEFINE_integer("seed", 0, "Of the first image; the others have the seeds that follow.")
    flags.DEFINE_float("truncation", 1.0, "1 leaves images as they are; less makes them more alike.")
    flags.DEFINE_string(
        "output", None, "NAME.png for one picture of all, NAME.npy for an array, else a folder of PNG files."
    )


def query_config() -> QueryConfig:
    """The flags of tools/query_serving.py as a configuration.

    Raises:
        UserError: If one is missing or has a value that it cannot have.
    """
    values = flags.FLAGS
    for name in ("model", "output"):
        if not values[name].value:
            raise UserError("give --model=NAME, as the server knows it, and --output=FILE or folder")
    return QueryConfig(_from_flags(Query), pathlib.Path(values.output))


def define_preparation_flags() -> None:
    """Defines the flags of tools/prepare_data.py, each a field of `PreparationConfig`."""
    default = PreparationConfig(input=(".",), output=".")
    flags.DEFINE_multi_string(
        "input", [], "Folders and files of scans, separated by commas; may be given several times."
    )
    flags.DEFINE_string("output", "", "Folder for the prepared data set; made by this program.")
    flags.DEFINE_string(
        "suffix", default.suffix, "Contrast to take, for instance FLAIR; empty takes the only one there is."
    )
    flags.DEFINE_string(
        "subject_regex",
        default.subject_regex,
        "Regular expression whose first group, or whole match, in a file's path is its subject; "
        "empty goes by BIDS names, else by the file's name.",
    )
    flags.DEFINE_enum("plane", default.plane, list(PLANES), "How the scans are sliced.")
    flags.DEFINE_float("voxel_size", default.voxel_size, "Edge of the resampled voxels in mm.")
    flags.DEFINE_enum(
        "interpolation", default.interpolation, list(INTERPOLATION_ORDERS), "How the scans are resampled."
    )
    flags.DEFINE_integer(
        "resolution",
        default.resolution,
        "Pixels along an edge of the largest images, a power of two; every smaller one is stored, too.",
    )
    flags.DEFINE_float(
        "field_of_view", default.field_of_view, "Edge of an image in mm, centered on the head."
    )
    flags.DEFINE_list(
        "intensity_percentiles",
        [str(percentile) for percentile in default.intensity_percentiles],
        "Intensities that become -1 and 1: percentile of all voxels, percentile of the foreground.",
    )
    flags.DEFINE_float(
        "min_head_fraction",
        default.min_head_fraction,
        "Least head area of a slice, as a part of the area in the scan's largest slice.",
    )
    flags.DEFINE_float("holdout", default.holdout, "Part of the subjects to hold out from training.")
    flags.DEFINE_string(
        "masks",
        default.masks,
        "Folder of lesion masks, within each input folder or absolute, for instance derivatives/lesion.",
    )
    flags.DEFINE_integer("volume_index", default.volume_index, "Which volume of scans that have a time axis.")
    flags.DEFINE_integer("num_workers", default.num_workers, "Processes; 0 for one per available core.")
    flags.DEFINE_bool("strict", default.strict, "End at the first scan that cannot be used.")


def preparation_config() -> PreparationConfig:
    """The flags of tools/prepare_data.py as a configuration.

    Raises:
        UserError: A flag has a value that it cannot have.
    """
    names = [field.name for field in dataclasses.fields(PreparationConfig)]
    values = {name: flags.FLAGS[name].value for name in names}
    try:
        values["intensity_percentiles"] = tuple(map(float, values["intensity_percentiles"]))
    except ValueError as error:
        raise UserError("--intensity_percentiles takes two numbers, for instance 1,99.5") from error
    values["input"] = tuple(path for paths in values["input"] for path in paths.split(",") if path)
    return PreparationConfig(**values)
