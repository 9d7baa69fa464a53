"""A run that has ended, without its training, on a data set whose names tell where they leak to."""

import dataclasses
import json

import tensorflow as tf

from mrisynth.data.manifest import Manifest, read_manifest, write_manifest
from mrisynth.evaluation import results as written
from mrisynth.networks.config import NetworkConfig
from mrisynth.training import checkpoints
from mrisynth.training.config import TrainingConfig
from mrisynth.training.run_config import RunConfig, write_run_config
from mrisynth.training.schedule import GrowthSchedule
from mrisynth.training.state import TrainingState

SECRETS = ("Zebediah", "Wolkenkuckuck", "klinik", "geheim", "Xylophon", "Quasimodo")
"""What is part of a name, a file, a folder, a label or a warning of the data set."""

NETWORK = NetworkConfig(resolution=16, latent_size=8, fmap_base=32, fmap_max=8, attention_generator=(8,))
SCHEDULE = GrowthSchedule(
    resolution=16,
    fade_images=16,
    stable_images=16,
    total_iterations=0,
    batch_sizes={4: 8, 8: 8, 16: 8},
)


def write_data_set(small_dataset, folder) -> Manifest:
    """The manifest of the small data set, with names that are not to be found anywhere else."""
    manifest = read_manifest(small_dataset)
    names = {source.subject: f"Zebediah{number}" for number, source in enumerate(manifest.sources)}
    sources = tuple(
        dataclasses.replace(
            source,
            name=f"sub-{names[source.subject]}/anat/geheim_FLAIR.nii.gz",
            input="/mnt/klinik",
            subject=names[source.subject],
            session="Xylophon",
            participant={"site": "Wolkenkuckuck"},
            mask="/mnt/klinik/masks/geheim.nii.gz",
            warnings=("its mask /mnt/klinik/masks/geheim.nii.gz is left out",),
            intensity_range=(10.0 * number, 1000.0 + 100 * number),
        )
        for number, source in enumerate(manifest.sources)
    )
    splits = {
        side: dataclasses.replace(split, subjects=tuple(names[name] for name in split.subjects))
        for side, split in manifest.splits.items()
    }
    private = {"input": ["/mnt/klinik"], "masks": "/mnt/klinik/masks", "subject_regex": "(Quasimodo.)"}
    manifest = dataclasses.replace(
        manifest, settings={**manifest.settings, **private}, sources=sources, splits=splits, labels={}
    )
    folder.mkdir()
    write_manifest(manifest, folder)
    return manifest


def write_run(run_dir, data_dir, iteration=SCHEDULE.iterations, phantom_subjects=None) -> TrainingState:
    """A run of model c at an iteration; its average is another generator than the one in training."""
    config = TrainingConfig(run_dir, data_dir, phantom_subjects, "c", NETWORK, SCHEDULE)
    fingerprint = read_manifest(data_dir).fingerprint
    write_run_config(RunConfig(config, fingerprint, {"dtype_policy": "mixed_bfloat16"}))
    state = TrainingState(NETWORK, "float32", seed=0)
    state.average.set_weights([weight + 0.1 for weight in state.average.get_weights()])
    state.iteration.assign(iteration)
    checkpoints.Checkpoints(config.folder, state, tf.distribute.get_strategy()).save()
    return state


def write_evaluation(run_dir, iteration=SCHEDULE.iterations):
    """A results.json of the run at an iteration, with what a card takes from it and some more."""
    spread = {"mean": 0.25, "standard_deviation": 0.01}
    results = {
        "format": written.FORMAT,
        "format_version": written.FORMAT_VERSION,
        "short": True,
        "date": "2026-11-25",
        "generator": {"iterations": iteration, "model": "c"},
        "data": {"generated_images": 2000},
        "features": "wavelet scattering",
        "measures": {"ms_ssim": {"generated": spread, "real": spread}},
        "privacy": {
            "verdict": {"words": "inconclusive", "reasons": ["4 subjects are too few to tell."]},
            "copies": 0,
            "closest_pairs": [{"correlation": 0.9}],
        },
    }
    path = run_dir / "evaluation" / "results.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(results))
    return results
