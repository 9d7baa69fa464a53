import dataclasses
import json
import pathlib
import re

import pytest

from mrisynth.data.labels import UNCONDITIONAL, Label, LabelKind, LabelSchema
from mrisynth.errors import UserError
from mrisynth.networks.config import NetworkConfig
from mrisynth.run_folder import RunFolder
from mrisynth.training.checkpoints import check_run_dir
from mrisynth.training.config import OptimizationConfig, RuntimeConfig, TrainingConfig
from mrisynth.training.ema import load_average
from mrisynth.training.origin import Origin, TrainingData
from mrisynth.training.run_config import (
    RunConfig,
    check_goes_on,
    differences,
    read_run_config,
    write_run_config,
)
from mrisynth.training.schedule import GrowthSchedule
from tests.untrained_runs import make_state, write_run

# Every setting that can differ from its default does.
CONFIG = TrainingConfig(
    run_dir=pathlib.Path("run"),
    data_dir=pathlib.Path("/data"),
    phantom_subjects=7,
    phantom_contrasts=("T1w",),
    model="c",
    network=NetworkConfig(
        *(16, 1, 3, 8, 64, 8),
        attention_generator=(8,),
        attention_discriminator=(8, 16),
        fused_resampling=False,
        bilinear_resampling=True,
        noise_inputs=True,
    ),
    schedule=GrowthSchedule(16, 16, 24, 900_000, 3, 2e-3, 2e-4, {4: 8, 8: 8, 16: 4}),
    optimization=OptimizationConfig(
        "non_saturating", 5.0, 0.01, 0.9, 0.1, "lamb", 2, 3, "diffaug", 0.2, 2.0, 0.5, 0.25, 4
    ),
    label_schema=LabelSchema((Label("suffix", LabelKind.CATEGORICAL, ("FLAIR", "T1w")),)),
    runtime=RuntimeConfig(
        "mirrored", (0, 1), "mixed_bfloat16", "true", True, 1.0, 2, 3, 4, profile_steps=(1, 2)
    ),
)
SECTIONS = {"network": NetworkConfig, "schedule": GrowthSchedule, "optimization": OptimizationConfig}


def in_folder(folder, **changes):
    return dataclasses.replace(CONFIG, run_dir=folder, data_dir=folder, **changes)


def change(folder, **sections):
    """Changes settings in a run's config.json; None takes one out."""
    document = json.loads((folder / "config.json").read_text())
    for section, values in sections.items():
        document[section] |= values
        for name in [name for name, value in values.items() if value is None]:
            del document[section][name]
    (folder / "config.json").write_text(json.dumps(document))


def default_of(section, name):
    (field,) = (field for field in dataclasses.fields(SECTIONS[section]) if field.name == name)
    return field.default_factory() if field.default is dataclasses.MISSING else field.default


def test_what_is_written_is_read_back(tmp_path):
    run = RunConfig(in_folder(tmp_path), "fingerprint", {"dtype_policy": "float32"}, ("T1w", "FLAIR"))
    write_run_config(run)
    assert read_run_config(RunFolder(tmp_path)) == run
    assert [path.name for path in tmp_path.iterdir()] == ["config.json"]


def test_the_document_has_the_keys_and_words_that_it_always_had(tmp_path):
    document = RunConfig(in_folder(tmp_path), "fingerprint", {"replicas": 1}).to_json()
    assert document.keys() == {
        "mrisynth",
        "run",
        "network",
        "schedule",
        "optimization",
        "data",
        "runtime",
        "environment",
    }
    assert document["run"] == {"model": "c"}
    assert document["schedule"]["batch_sizes"] == {"4": 8, "8": 8, "16": 4}
    assert document["optimization"]["augment"] == "diffaug"
    assert document["data"] == {
        "phantom_subjects": 7,
        "phantom_contrasts": ["T1w"],
        "fingerprint": "fingerprint",
        "channels": ["image"],
        "conditions": [],
        "labels": json.loads(json.dumps(CONFIG.label_schema.to_json())),
    }
    assert json.loads(json.dumps(document["runtime"]))["strategy"] == "mirrored"
    assert document["runtime"]["data_dir"] == str(tmp_path)


@pytest.mark.parametrize(
    ("section", "name"),
    [
        (section, field.name)
        for section, kind in SECTIONS.items()
        for field in dataclasses.fields(kind)
        # Without it, nothing fits together; every version has written it.
        if field.name != "resolution"
    ],
)
def test_a_setting_that_is_missing_has_its_default(section, name, tmp_path):
    default = default_of(section, name)
    changes = {section: dataclasses.replace(getattr(CONFIG, section), **{name: default})}
    if name == "wrong_labels":
        # With labels, a run without it is of an earlier mrisynth and does not go on.
        changes["label_schema"] = UNCONDITIONAL
    plain = in_folder(tmp_path, **changes)
    write_run_config(RunConfig(plain, "fingerprint"))
    change(tmp_path, **{section: {name: None}})
    check_run_dir(plain, "fingerprint")
    if name in ("channels", "batch_sizes", "total_iterations", "finetune_iterations", "start_resolution"):
        # There is one number of channels only; batches may change until they have been used; a run may grow.
        # A run that starts higher has other batches, so that start_resolution has its default here.
        return
    # The run that was asked for is another one, which is refused as ever.
    with pytest.raises(UserError, match=rf"another configuration \(--{name} was .*, is .*\); give the same"):
        check_run_dir(in_folder(tmp_path), "fingerprint")


@pytest.mark.parametrize("section", ["run", "optimization", "runtime", "environment"])
def test_a_section_that_is_missing_has_its_defaults(section, tmp_path):
    changes = {
        "run": {"model": "b"},
        "optimization": {"optimization": OptimizationConfig(), "label_schema": UNCONDITIONAL},
    }
    plain = in_folder(tmp_path, **changes.get(section, {}))
    write_run_config(RunConfig(plain, "fingerprint"))
    document = json.loads((tmp_path / "config.json").read_text())
    del document[section]
    (tmp_path / "config.json").write_text(json.dumps(document))
    check_run_dir(plain, "fingerprint")


@pytest.mark.parametrize("name", ["phantom_subjects", "phantom_contrasts", "channels", "labels"])
def test_what_is_missing_of_the_data_has_its_default(name, tmp_path):
    changes = {
        "phantom_subjects": {"phantom_subjects": None},
        "phantom_contrasts": {"phantom_contrasts": ("FLAIR",)},
        "labels": {"label_schema": UNCONDITIONAL},
    }
    plain = in_folder(tmp_path, **changes.get(name, {}))
    write_run_config(RunConfig(plain, "fingerprint"))
    change(tmp_path, data={name: None})
    assert read_run_config(RunFolder(tmp_path)).channels == ("image",)
    check_run_dir(plain, "fingerprint")


def test_other_conditions_are_another_run_and_what_follows_from_them_is_not_compared(tmp_path):
    asked = in_folder(tmp_path, conditions=("suffix",))
    write_run_config(RunConfig(asked, "fingerprint"))
    # Before the data set has been read nobody knows how its labels are encoded.
    check_run_dir(dataclasses.replace(asked, label_schema=UNCONDITIONAL))
    with pytest.raises(UserError, match="--conditions was suffix, is suffix,age") as raised:
        check_run_dir(dataclasses.replace(asked, conditions=("suffix", "age")), "fingerprint")
    assert "--labels" not in str(raised.value)


@pytest.mark.both_stacks
def test_a_run_whose_configuration_lacks_what_came_later_is_read(tmp_path):
    write_run(tmp_path, make_state(), 10)
    later = {
        "network": (
            *("channels", "attention_discriminator", "fused_resampling", "bilinear_resampling"),
            "noise_inputs",
        ),
        "schedule": ("finetune_iterations", "learning_rate", "finetune_learning_rate", "total_iterations"),
        "optimization": tuple(field.name for field in dataclasses.fields(OptimizationConfig)),
        "runtime": tuple(field.name for field in dataclasses.fields(RuntimeConfig)),
    }
    # The schedule of the run ends with the last resolution; the default does not.
    later["schedule"] = later["schedule"][:-1]
    change(tmp_path, **{section: dict.fromkeys(names) for section, names in later.items()})
    assert load_average(tmp_path).iteration == 10


@pytest.mark.parametrize("section", ["run", "network", "schedule", "optimization", "data", "runtime"])
def test_a_setting_that_this_version_does_not_know_is_named(section, tmp_path):
    write_run_config(RunConfig(in_folder(tmp_path), "fingerprint"))
    change(tmp_path, **{section: {"brightness": 3}})
    document = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**document, "mrisynth": "9.1"}))
    with pytest.raises(UserError, match=r"does not know \(brightness\); use mrisynth 9\.1, which wrote it"):
        read_run_config(RunFolder(tmp_path))


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        ("", "cannot be read"),
        ("{", "cannot be read"),
        ("[]", "cannot be read"),
        ('{"run": 1}', "cannot be read"),
        ('{"network": {}}', 'cannot be read .*"?schedule'),
        ('{"network": {}, "schedule": {"batch_sizes": [8, 8, 8]}}', "cannot be read"),
        ('{"network": null, "schedule": {}}', "cannot be read"),
        ('{"network": {"latent_size": -1}, "schedule": {}}', "--latent_size=-1 must be at least 1"),
        ('{"network": {"latent_size": "x"}, "schedule": {}}', "cannot be read"),
        ('{"network": {}, "schedule": {"resolution": 8}}', "the schedule ends at 8x8"),
    ],
)
def test_what_is_no_configuration_is_refused(contents, message, tmp_path):
    (tmp_path / "config.json").write_text(contents)
    with pytest.raises(UserError, match=message):
        read_run_config(RunFolder(tmp_path))
    with pytest.raises(UserError, match=message):
        check_run_dir(in_folder(tmp_path))


def test_a_folder_without_a_configuration_holds_no_run(tmp_path):
    with pytest.raises(UserError, match="holds no run: it has no config.json"):
        read_run_config(RunFolder(tmp_path))


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"--run_dir=.*file cannot be written "):
        write_run_config(RunConfig(in_folder(tmp_path / "file"), None))


def test_a_runs_own_phantoms_move_with_it(tmp_path):
    before, after = tmp_path / "before", tmp_path / "after"
    phantoms = RunFolder(before).phantom_data
    phantoms.mkdir(parents=True)
    write_run_config(RunConfig(dataclasses.replace(CONFIG, run_dir=before, data_dir=phantoms), "x"))
    assert read_run_config(RunFolder(before)).training.data_dir == phantoms
    before.rename(after)
    assert read_run_config(RunFolder(after)).training.data_dir == RunFolder(after).phantom_data


def test_a_data_set_that_is_gone_is_not_looked_for_elsewhere(tmp_path):
    config = dataclasses.replace(CONFIG, run_dir=tmp_path, phantom_subjects=None)
    write_run_config(RunConfig(config, "x"))
    assert read_run_config(RunFolder(tmp_path)).training.data_dir == pathlib.Path("/data")


def test_a_relative_data_dir_is_found_from_another_working_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = dataclasses.replace(CONFIG, data_dir=pathlib.Path("data"), phantom_subjects=None)
    write_run_config(RunConfig(config, "x"))
    monkeypatch.chdir("/")
    assert read_run_config(RunFolder(tmp_path / "run")).training.data_dir == tmp_path / "data"


@pytest.mark.parametrize("schema", [CONFIG.label_schema, UNCONDITIONAL], ids=["labels", "no labels"])
def test_runs_of_an_earlier_mrisynth_with_labels_do_not_go_on(schema, tmp_path):
    config = in_folder(tmp_path, label_schema=schema)
    write_run_config(RunConfig(config, "x"))
    check_goes_on(read_run_config(RunFolder(tmp_path)), "--init_from")
    change(tmp_path, optimization={"wrong_labels": None})
    # Its images can still be drawn, for which the configuration is read.
    found = read_run_config(RunFolder(tmp_path))
    if schema is UNCONDITIONAL:
        return check_goes_on(found, "--init_from")
    for check in (lambda: check_goes_on(found, "--init_from"), lambda: check_run_dir(config, "x")):
        with pytest.raises(UserError, match="has labels and is of an earlier mrisynth.*train it anew"):
            check()


def test_differences_are_listed_as_flags():
    other = dataclasses.replace(
        CONFIG,
        phantom_subjects=8,
        phantom_contrasts=("T2w",),
        network=dataclasses.replace(CONFIG.network, resolution=32, attention_generator=()),
        schedule=dataclasses.replace(
            CONFIG.schedule, resolution=32, total_iterations=0, batch_sizes={4: 4, 8: 4, 16: 4, 32: 4}
        ),
        runtime=RuntimeConfig(),
    )
    assert differences(RunConfig(CONFIG, "x"), RunConfig(other, "y"), reached=3) == [
        "--resolution was 16, is 32",
        "--attention_generator was 8, is ",
        "--total_iterations was 900000, is 0",
        "--batch_sizes was 4:8,8:4,16:4,32:4, is 4:4,8:4,16:4,32:4",
        "--phantom_subjects was 7, is 8",
        "--phantom_contrasts was T1w, is T2w",
        "--data_dir holds another data set",
    ]
    assert differences(RunConfig(CONFIG, "x"), RunConfig(CONFIG, None), reached=0) == []


@pytest.mark.parametrize(
    ("change", "reached", "is_the_same"),
    [
        ({"finetune_iterations": 9}, 14, True),
        ({"finetune_iterations": 2}, 14, False),
        ({"finetune_iterations": 9, "finetune_learning_rate": 1e-5}, 14, False),
        ({"total_iterations": 13}, 11, True),
        ({"total_iterations": 13}, 12, False),
        ({"total_iterations": 13, "finetune_iterations": 2}, 10, True),
        ({"total_iterations": 10}, 9, False),
        ({"start_resolution": 8}, 14, False),
    ],
)
def test_a_run_may_become_longer_where_it_stands_and_nothing_else(change, reached, is_the_same):
    """4x4 is stable until iteration 3, 8x8 fades in until 6 and is stable until 11, fine-tuned until 15."""
    schedule = GrowthSchedule(8, 24, 24, 11, 4, batch_sizes={4: 8, 8: 8})
    assert [phase.last_iteration for phase in schedule.phases] == [3, 6, 11, 15]
    config = dataclasses.replace(
        CONFIG, network=NetworkConfig(8), schedule=schedule, label_schema=LabelSchema()
    )
    longer = dataclasses.replace(config, schedule=dataclasses.replace(schedule, **change))
    assert (differences(RunConfig(config, "x"), RunConfig(longer, "x"), reached) == []) is is_the_same


def test_the_weight_of_labels_does_not_change_where_a_run_stands():
    schedule = GrowthSchedule(8, 24, 24, 11, 4, batch_sizes={4: 8, 8: 8})
    config = dataclasses.replace(CONFIG, network=NetworkConfig(8), schedule=schedule, conditions=("suffix",))
    for change, is_the_same in (({"total_iterations": 13}, False), ({"finetune_iterations": 9}, True)):
        longer = dataclasses.replace(config, schedule=dataclasses.replace(schedule, **change))
        assert (differences(RunConfig(config, "x"), RunConfig(longer, "x"), 5) == []) is is_the_same


def test_where_the_first_weights_came_from_is_read_back(tmp_path):
    data = (TrainingData("of patients", False), TrainingData("of phantoms", True))
    origin = Origin("checksum", data, tmp_path / "source")
    run = RunConfig(in_folder(tmp_path, init_from=origin.path), "fingerprint", origin=origin)
    write_run_config(run)
    assert read_run_config(RunFolder(tmp_path)) == run


def test_going_on_needs_no_word_of_where_the_weights_came_from_and_takes_no_other(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    origin = Origin("checksum", (TrainingData("x", True),), tmp_path / "source")
    begun = RunConfig(in_folder(tmp_path, init_from=origin.path), "x", origin=origin)

    def asked(path):
        return RunConfig(in_folder(tmp_path, init_from=path and pathlib.Path(path)), "x")

    assert differences(begun, asked(None), 3) == differences(begun, asked("source"), 3) == []
    assert differences(begun, asked("other"), 3) == [f"--init_from was {tmp_path / 'source'}, is other"]
    assert differences(asked(None), asked("other"), 3) == ["--init_from was not given, is other"]


def test_the_page_on_training_lists_what_may_change_and_nothing_else_may():
    """By hand: how a run is carried out, its length, batches to come; and where its data set lies."""
    free = {field.name for field in dataclasses.fields(RuntimeConfig)} | {"data_dir"}
    page = (pathlib.Path(__file__).parents[2] / "docs" / "training.md").read_text(encoding="utf-8")
    listed = page.split("### What may change")[1].split("\n#")[0]
    rows = re.findall(r"^\| (`.*?) \|", listed, re.M)
    assert set(re.findall(r"`--(\w+)`", " ".join(rows))) == free | {
        *("total_iterations", "finetune_iterations", "batch_sizes", "init_from", "run_dir")
    }
    before = RunConfig(CONFIG, "x").identity()
    fixed = {name for section in before.values() for name in section}
    assert not fixed & free
