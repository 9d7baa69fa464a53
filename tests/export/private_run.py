"""A run on a data set whose names tell where they leak to, and its evaluation."""

import dataclasses
import json

from mrisynth.data.storing.manifest import Manifest, read_manifest, write_manifest
from mrisynth.evaluation import results as written
from mrisynth.training.ema import load_average
from tests import untrained_runs
from tests.untrained_runs import SCHEDULE

SECRETS = ("Zebediah", "Wolkenkuckuck", "klinik", "geheim", "Xylophon", "Quasimodo")
"""What is part of a name, a file, a folder, a label or a warning of the data set."""

REPORT_CHECKSUM = "0123456789abcdef" * 4


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
            acquired=number % 2 == 0,
            slice_thickness_mm=3.0 + number,
        )
        for number, source in enumerate(manifest.sources)
    )
    splits = {
        side: dataclasses.replace(split, subjects=tuple(names[name] for name in split.subjects))
        for side, split in manifest.splits.items()
    }
    private = {
        **{"input": ["/mnt/klinik"], "masks": "/mnt/klinik/masks", "subject_regex": "(Quasimodo.)"},
        **{"holdout_subjects": ["Zebediah1"], "series": "Xylophon"},
    }
    manifest = dataclasses.replace(
        manifest, settings={**manifest.settings, **private}, sources=sources, splits=splits, labels={}
    )
    folder.mkdir()
    write_manifest(manifest, folder)
    return manifest


def write_run(run_dir, data_dir, iteration=SCHEDULE.iterations, **settings):
    """A run of model c at an iteration."""
    fingerprint = read_manifest(data_dir).fingerprint
    settings = {"precision": "mixed_bfloat16", "model": "c", **settings}
    untrained_runs.write_run(
        run_dir, untrained_runs.make_state(), iteration, data_dir, fingerprint, **settings
    )


def write_evaluation(run_dir, **of_another):
    """A results.json of the run, or of another one, with what a card takes from it and some more."""
    average = load_average(run_dir)
    evaluated = {
        "weights_checksum": average.checksum,
        "fingerprint": average.config.fingerprint,
        **of_another,
    }
    spread = {"mean": 0.25, "standard_deviation": 0.01}
    results = {
        "format": written.FORMAT,
        "format_version": written.FORMAT_VERSION,
        "short": True,
        "date": "2026-11-25",
        "generator": {"weights_checksum": evaluated["weights_checksum"], "model": "c"},
        "data": {"generated_images": 2000, "fingerprint": evaluated["fingerprint"]},
        "features": "wavelet scattering",
        "measures": {"ms_ssim": {"generated": spread, "real": spread}},
        "privacy": {
            "verdict": {"words": "inconclusive", "reasons": ["4 subjects are too few to tell."]},
            "copies": 0,
            "closest_pairs": [{"correlation": 0.9}],
        },
        "unlike_the_data": "",
        "report": {"checksum": REPORT_CHECKSUM},
    }
    path = run_dir / "evaluation" / "results.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(results))
    return results
