import dataclasses
import functools
import pathlib

import pytest

from mrisynth.cli import shipped, train_flags
from mrisynth.errors import UserError
from mrisynth.networks.flops import training_operations
from mrisynth.training import throughput

FLAGFILES = sorted((pathlib.Path(__file__).parents[2] / "flags").glob("*.flags"))


@pytest.fixture
def parse(parse_flags):
    """Turns a command line into a training configuration."""
    return functools.partial(parse_flags, train_flags)


def test_the_abstracts_models(parse):
    found = {model: parse(f"--model={model}") for model in "abcd"}
    network = {model: config.network for model, config in found.items()}
    assert [network[m].attention_discriminator for m in "abcd"] == [(), (32, 64), (32, 64), (32, 64)]
    assert [network[m].attention_generator for m in "abcd"] == [(), (), (), (32, 64)]
    iterations = [found[m].schedule.iterations for m in "abcd"]
    assert iterations == [867_000, 867_000, 1_242_000, 867_000]
    assert all(n.resolution == 256 and n.latent_size == 512 for n in network.values())


@pytest.mark.parametrize("path", FLAGFILES, ids=[path.stem for path in FLAGFILES])
def test_every_flagfile_is_a_valid_run(parse, path):
    config = parse(f"--flagfile={path}", "--model=c")
    assert config.schedule.phases[-1].resolution == config.network.resolution


@pytest.mark.parametrize("path", FLAGFILES, ids=[path.stem for path in FLAGFILES])
def test_every_flagfile_can_be_named_to_a_run_that_is_too_long(parse, path):
    config = parse(f"--flagfile={path}")
    operations = sum(
        phase.images * training_operations(config.network, phase.level) for phase in config.schedule.phases
    )
    assert throughput.SHIPPED_RUNS[f"flags/{path.name}"] == pytest.approx(operations, rel=0.02)


def test_a_dry_run_is_the_same_run(parse):
    assert parse("--dry_run") == parse()


@pytest.mark.parametrize("name", ["quickstart.flags", "flags/quickstart.flags"])
def test_a_flagfile_is_found_by_its_name_from_anywhere(parse, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert parse(f"--flagfile={name}").network.resolution == 32
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("--resolution=64\n")
    assert parse(f"--flagfile={name}").network.resolution == 64


def test_every_setting_of_a_run_has_a_flag(parse):
    """But for what a run's data says, and what follows from other settings."""
    given = parse(
        *[
            "--latent_size=3",
            "--fmap_base=999",
            "--fmap_max=99",
            "--nofused_resampling",
            "--bilinear_resampling",
            "--noise_inputs",
            "--fade_images=1000",
        ],
        *[
            "--stable_images=2000",
            "--total_iterations=900000",
            "--start_resolution=8",
            "--finetune_iterations=4",
            "--learning_rate=0.5",
        ],
        *[
            "--finetune_learning_rate=0.25",
            "--loss=non_saturating",
            "--gradient_penalty=1",
            "--drift=2",
            "--ema_decay=0.5",
            "--ema_rampup=0.5",
        ],
        *["--optimizer=yogi", "--gp_interval=5", "--critic_steps=6", "--augment=mirror", "--seed=7"],
        *["--label_dropping=0.3", "--diversity=2", "--wrong_labels=0.5", "--conditions=age,suffix"],
        "--finetune_wrong_labels=0.25",
        *["--attention_generator=16", "--attention_discriminator=8", "--gpus=1,2", "--strategy=mirrored"],
        *[
            "--precision=float32",
            "--jit_compile=false",
            "--deterministic",
            "--checkpoint_minutes=8",
            "--log_real",
        ],
        *["--scalar_interval=9", "--grid_interval=10", "--eval_interval=11", "--profile_steps=12,13"],
        *["--resolution=128", "--batch_sizes=4:1,8:1,16:1,32:1,64:1,128:2"],
    )
    default = parse()
    for part in ("network", "schedule", "optimization", "runtime"):
        before, after = (dataclasses.asdict(getattr(config, part)) for config in (default, given))
        assert {name for name in before if before[name] == after[name]} <= {
            "channels",
            "rank",
            "label_schema",
        }


@pytest.mark.parametrize("name", ["quickstart", "cpu_64"])
def test_small_runs_are_of_model_c(parse, name):
    config = parse(f"--flagfile={next(path for path in FLAGFILES if path.stem == name)}")
    assert config.model == "c"
    assert config.network.attention_discriminator
    assert not config.network.attention_generator
    assert config.schedule.phases[-1].kind == "finetune"


@pytest.mark.parametrize("model", "abcd")
def test_a_papers_flagfile_is_what_its_model_stands_for(parse, model):
    path = next(path for path in FLAGFILES if path.stem == f"paper_{model}")
    from_file, from_model = parse(f"--flagfile={path}"), parse(f"--model={model}")
    assert from_file == from_model


def test_explicit_flag_beats_flagfile_beats_model_beats_default(parse, tmp_path):
    path = tmp_path / "x.flags"
    path.write_text("--resolution=64\n--finetune_iterations=7\n--attention_discriminator=16\n")
    config = parse("--model=c", "--resolution=32", f"--flagfile={path}")
    assert config.network.resolution == 32
    assert config.schedule.finetune_iterations == 7
    assert config.network.attention_discriminator == (16,)
    assert config.network.fmap_base == 8192
    separate = parse("--resolution=32", "--flagfile", path)
    assert separate.network.resolution == 32
    assert separate.schedule.finetune_iterations == 7


def test_attention_of_a_model_keeps_to_the_maps_there_are(parse):
    assert parse("--model=b", "--resolution=32").network.attention_discriminator == (32,)
    assert parse("--attention_discriminator=").network.attention_discriminator == ()


def test_weights_are_taken_from_where_the_flag_says(parse, tmp_path):
    assert parse().init_from is None
    assert parse(f"--init_from={tmp_path}").init_from == tmp_path
    assert parse("--init_from=head_phantom").init_from == shipped.MODELS / "head_phantom"


def test_where_a_run_goes(parse):
    config = parse("--model=d")
    assert str(config.run_dir) == "runs/model_d"
    assert str(config.data_dir) == "runs/model_d/phantoms/prepared"
    assert (config.phantom_subjects, config.phantom_contrasts) == (32, ("FLAIR",))
    assert parse("--phantom_contrasts=T2w").phantom_contrasts == ("T2w",)
    assert parse("--phantom_contrasts=FLAIR,T1w,T2w").phantom_contrasts == ("FLAIR", "T1w", "T2w")
    given = parse("--data_dir=D", "--run_dir=R", "--phantom_contrasts=T2w")
    assert str(given.data_dir) == "D"
    assert (given.phantom_subjects, given.phantom_contrasts) == (None, ("FLAIR",))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--resolution=48"], "--resolution=48 is not 4 times a power of two"),
        (["--model=e"], r"--model=e.*a\|b\|c\|d"),
        (["--attention_generator=512"], "--attention_generator asks for attention at 512"),
        (["--attention_generator=x"], "--attention_generator has 'x'"),
        (["--batch_sizes=4-8"], "--batch_sizes has '4-8'; write resolution:batch"),
        (["--batch_sizes=4:8"], "--batch_sizes has no batch for 8x8"),
        (["--ema_decay=1"], "--ema_decay=1.0"),
        (["--gradient_penalty=-1"], "--gradient_penalty"),
        (["--latent_size=0"], "--latent_size=0"),
        (["--checkpoint_minutes=-1"], "--checkpoint_minutes"),
        (["--grid_interval=0"], "--grid_interval=0"),
        (["--phantom_subjects=1"], "--phantom_subjects"),
        (["--phantom_contrasts=PD"], "--phantom_contrasts=PD: name one or several of FLAIR, T1w, T2w"),
        (["--phantom_contrasts=T1w,T1w"], "--phantom_contrasts=T1w,T1w: .* each once"),
        (["--phantom_contrasts="], "--phantom_contrasts=: name one or several"),
        (["--seed=-1"], "--seed=-1"),
        (["--drift=nan"], "--drift=nan"),
        (["--gp_interval=0"], "--gp_interval=0"),
        (["--critic_steps=0"], "--critic_steps=0"),
        (["--optimizer=sgd"], r"--optimizer=sgd.*adam\|rectified_adam"),
        (["--augment=flip"], r"--augment=flip.*none\|mirror\|diffaug"),
        (["--profile_steps=5"], "--profile_steps takes the first and the last iteration"),
        (["--profile_steps=9,5"], "--profile_steps"),
        (["--eval_interval=-1"], "--eval_interval=-1 must not be negative"),
        (["--eval_interval=9", "--strategy=multi_worker"], "--eval_interval=9 .*--strategy=multi_worker"),
        (["--gpus=all"], "--gpus has 'all', which is not a whole number"),
        (["--learning_rate=inf"], "--learning_rate=inf"),
        (["--model=b", "--resolution=16"], "--resolution=16 has none of the maps.*--attention_discriminator"),
        (["--nonsense"], "nonsense"),
        (["word"], "'word' is not a flag"),
        (["--flagfile=/nowhere/x.flags"], "--flagfile=/nowhere/x.flags"),
    ],
)
def test_wrong_flags_are_named(parse, arguments, message):
    with pytest.raises(UserError, match=message):
        parse(*arguments)
