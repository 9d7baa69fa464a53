"""What all tests share: a quiet TensorFlow with two logical CPU devices, a small data set, and tiny runs."""

import dataclasses
import pathlib
import shutil
import signal

import nibabel
import numpy as np
import pytest

from mrisynth.cli import app

# Ctrl-C is for pytest.
signal.signal(signal.SIGINT, signal.default_int_handler)
app.import_tensorflow(logical_cpus=2)

import tensorflow as tf  # noqa: E402

from mrisynth import screen  # noqa: E402
from mrisynth.data import prepare_dataset, read_manifest  # noqa: E402
from mrisynth.export.formats.saved_model import export_generator  # noqa: E402
from mrisynth.export.from_run import export_run  # noqa: E402
from mrisynth.networks import Generator  # noqa: E402
from mrisynth.sampling.generators import open_export  # noqa: E402
from tests.export import private_run  # noqa: E402
from tests.label_tables import DISTRIBUTION, SCHEMA  # noqa: E402
from tests.programs import TRAIN, Ended, start  # noqa: E402
from tests.serving.model_server import ModelServer  # noqa: E402
from tests.training_flags import EVALUABLE, TINY  # noqa: E402
from tests.untrained_exports import CARD, replaced, write_card  # noqa: E402

SLOW_LEFT_OUT = pytest.StashKey[int]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds --slow."""
    parser.addoption("--slow", action="store_true", help="run the tests that are marked slow, too")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves out the tests that are marked slow, unless --slow is given."""
    if config.getoption("--slow"):
        return
    slow = [item for item in items if item.get_closest_marker("slow")]
    config.stash[SLOW_LEFT_OUT] = len(slow)
    config.hook.pytest_deselected(items=slow)
    items[:] = [item for item in items if item not in set(slow)]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Says how many tests were left out, and how to run them."""
    if count := config.stash.get(SLOW_LEFT_OUT, 0):
        terminalreporter.line(f"{count} slow tests were left out; --slow runs them, too")


@pytest.fixture
def every_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Has every step of every bar be a line, in place of one a minute."""
    monkeypatch.setattr(screen, "LINE_SECONDS", 0.0)


@pytest.fixture(scope="session")
def small_dataset(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Bright ellipsoids of several subjects, prepared at 16x16."""
    root = tmp_path_factory.mktemp("small")
    scans = root / "scans"
    for subject in range(8):
        generator = np.random.default_rng(subject)
        radii = generator.uniform(10, 14, 3)
        grid = np.stack(np.meshgrid(*[np.arange(-16, 16)] * 3, indexing="ij"), axis=-1)
        head = (np.sum((grid / radii) ** 2, axis=-1) < 1).astype(np.float32)
        inner = np.sum((grid / (0.5 * radii)) ** 2, axis=-1) < 1
        values = 800 * head - 400 * inner + generator.normal(0, 20, head.shape)
        folder = scans / f"sub-{subject:02d}" / "anat"
        folder.mkdir(parents=True)
        image = nibabel.Nifti1Image(np.abs(values).astype(np.float32), np.diag([5, 5, 5, 1]))
        nibabel.save(image, folder / f"sub-{subject:02d}_FLAIR.nii.gz")
    prepare_dataset(
        input=str(scans),
        output=str(root / "data"),
        voxel_size=5.0,
        field_of_view=160.0,
        resolution=16,
        holdout=0.3,
        num_workers=1,
    )
    return root / "data"


@dataclasses.dataclass(frozen=True)
class FinishedRun:
    """A run that the training program made in a process of its own; whoever changes its folder copies it.

    Attributes:
        folder: The run's folder.
        flags: What the program was given.
        ended: What it said.
    """

    folder: pathlib.Path
    flags: list[str]
    ended: Ended


def _finish(folder: pathlib.Path, *flags: str) -> FinishedRun:
    given = [*flags, f"--run_dir={folder}"]
    ended = start(TRAIN, *given)
    assert ended.returncode == 0, ended.stderr
    return FinishedRun(folder, given, ended)


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory: pytest.TempPathFactory, small_dataset: pathlib.Path) -> FinishedRun:
    """A finished run of model c at 8x8, under MirroredStrategy."""
    folder = tmp_path_factory.mktemp("tiny") / "run"
    return _finish(folder, "--model=c", "--strategy=mirrored", f"--data_dir={small_dataset}", *TINY)


@pytest.fixture(scope="session")
def evaluable_run(tmp_path_factory: pytest.TempPathFactory, small_dataset: pathlib.Path) -> FinishedRun:
    """A finished run at 16x16 that was evaluated on its way and at its end."""
    folder = tmp_path_factory.mktemp("evaluable") / "run"
    return _finish(folder, f"--data_dir={small_dataset}", *EVALUABLE)


@pytest.fixture(scope="session")
def two_replicas() -> tf.distribute.Strategy:
    """MirroredStrategy over two logical CPU devices.

    One for all tests: two strategies in one process number their collective operations alike and collide.
    """
    devices = [device.name for device in tf.config.list_logical_devices("CPU")]
    return tf.distribute.MirroredStrategy(devices)


@pytest.fixture(scope="session")
def private_data(small_dataset, tmp_path_factory):
    """A data set of telling names."""
    folder = tmp_path_factory.mktemp("private") / "data"
    private_run.write_data_set(small_dataset, folder)
    return folder


@pytest.fixture(scope="session")
def ended_run(private_data, tmp_path_factory):
    """A run that has grown to its full size and was evaluated."""
    run_dir = tmp_path_factory.mktemp("ended") / "run"
    private_run.write_run(run_dir, private_data)
    private_run.write_evaluation(run_dir)
    return run_dir


@pytest.fixture(scope="session")
def heads(ended_run, tmp_path_factory):
    """NAME/1, the export of that run."""
    return export_run(ended_run, tmp_path_factory.mktemp("saved_models") / "heads")


@pytest.fixture(scope="session")
def server(heads):
    """A server over that export."""
    server = ModelServer({"heads": heads.parent})
    yield server
    server.close()


@pytest.fixture(scope="session")
def bare(tmp_path_factory):
    """An export without a model card, NAME/VERSION."""
    tf.keras.utils.set_random_seed(5)
    generator = Generator(resolution=16, latent_size=12, fmap_base=64, fmap_max=16)
    # Without this, no latent's length matters, and so no truncation.
    dense = generator.blocks[0].entry
    dense.bias.assign(tf.random.stateless_normal(dense.bias.shape, [0, 1]))
    return export_generator(generator, tmp_path_factory.mktemp("models") / "bare")


@pytest.fixture(scope="session")
def model(bare, small_dataset, tmp_path_factory):
    """The same export with a model card, which says that it was trained on the small data set, NAME."""
    folder = tmp_path_factory.mktemp("models") / "heads"
    shutil.copytree(bare, folder / "1")
    card = replaced(CARD, "data", fingerprint=read_manifest(small_dataset).fingerprint)
    write_card(folder / "1", card)
    return folder


@pytest.fixture(scope="session")
def draw(bare):
    """Images by the signature alone, [count, 16, 16]."""
    loaded = tf.saved_model.load(str(bare))

    def draw(seed, count=1, truncation=1.0):
        inputs = {
            "seed": tf.constant(seed, tf.int64),
            "count": tf.constant(count),
            "truncation": tf.constant(truncation, tf.float32),
        }
        return loaded.signatures["generate"](**inputs)["images"].numpy()[..., 0]

    return draw


@pytest.fixture(scope="session")
def sampler(model):
    """The model with a card, opened."""
    return open_export(model)


@pytest.fixture(scope="session")
def conditional(tmp_path_factory):
    """An export that was never trained, whose card knows labels, NAME."""
    tf.keras.utils.set_random_seed(6)
    generator = Generator(resolution=16, latent_size=12, fmap_base=64, fmap_max=16, label_schema=SCHEMA)
    folder = tmp_path_factory.mktemp("models") / "asked"
    export_generator(generator, folder)
    write_card(folder / "1", {**CARD, "labels": DISTRIBUTION.to_json()})
    return folder


@pytest.fixture(scope="session")
def several_channels(tmp_path_factory):
    """An untrained export of an image of any contrast and its mask, whose card knows labels, NAME."""
    tf.keras.utils.set_random_seed(7)
    sizes = {"resolution": 8, "latent_size": 4, "fmap_base": 16, "fmap_max": 4}
    generator = Generator(channels=2, label_schema=SCHEMA, **sizes)
    folder = tmp_path_factory.mktemp("models") / "masked"
    export_generator(generator, folder)
    model = {"channels": ["image", "lesion mask"]}
    write_card(folder / "1", {**CARD, "model": model, "labels": DISTRIBUTION.to_json()})
    return folder
