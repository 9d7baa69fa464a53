import subprocess
import sys

import pytest

from mrisynth.layers.base import tensorflow_variable
from mrisynth.networks import Discriminator, Generator, NetworkConfig
from mrisynth.networks.memory import (
    discriminator_parameters,
    discriminator_values,
    generator_parameters,
    state_bytes,
    training_bytes,
)
from mrisynth.training.state import TrainingState

SMALL = NetworkConfig(
    resolution=32,
    latent_size=24,
    fmap_base=256,
    fmap_max=24,
    attention_generator=(16,),
    attention_discriminator=(4, 32),
)


def count(variables):
    return sum(tensorflow_variable(variable).shape.num_elements() for variable in variables)


@pytest.mark.parametrize("fading", [False, True])
@pytest.mark.parametrize("level", range(4))
def test_parameters_are_those_that_a_level_trains(level, fading):
    generator, discriminator = Generator.from_network_config(SMALL), Discriminator.from_network_config(SMALL)
    assert generator_parameters(SMALL, level, fading) == count(
        generator.trainable_variables_at(level, fading)
    )
    assert discriminator_parameters(SMALL, level, fading) == count(
        discriminator.trainable_variables_at(level, fading)
    )


def test_parameters_at_full_size():
    assert generator_parameters(NetworkConfig(), 6) == pytest.approx(23.0e6, rel=0.005)
    assert discriminator_parameters(NetworkConfig(), 6) == pytest.approx(23.0e6, rel=0.005)


def test_values_by_hand():
    config = NetworkConfig(resolution=8, latent_size=2, fmap_base=8, fmap_max=3)
    # 3 channels at 4x4, 2 at 8x8: from the image, convolution, halved; with the deviation's channel,
    # convolution, dense.
    assert discriminator_values(config, 1) == 64 * 2 + 64 * 2 + 16 * 3 + 16 * 4 + 16 * 3 + 3
    assert discriminator_values(config, 0) == 16 * 3 + 16 * 4 + 16 * 3 + 3


def test_attention_adds_its_maps_and_tables():
    without = NetworkConfig(resolution=8, fmap_max=16)
    config = NetworkConfig(resolution=8, fmap_max=16, attention_discriminator=(8,))
    # 64 pixels, 16 keys: 2 query and key channels, 8 value channels, pooled, attended to, sum.
    extra = 64 * (2 + 2 + 8 + 8 + 16) + 16 * (2 + 8)
    assert discriminator_values(config, 1) - discriminator_values(without, 1) == extra
    assert discriminator_values(config, 0) == discriminator_values(without, 0)
    images = [
        training_bytes(config, 1, n, "float32") - training_bytes(without, 1, n, "float32") for n in (8, 16)
    ]
    assert images[1] - images[0] == pytest.approx(8 * 4 * (9 * extra + 12 * 64 * 16))


def test_state_is_all_that_is_kept():
    state = TrainingState(SMALL, "float32", seed=0)
    kept = [
        *state.generator.variables,
        *state.discriminator.variables,
        *state.average.variables,
        *state.generator_optimizer.state_variables(),
        *state.discriminator_optimizer.state_variables(),
    ]
    assert state_bytes(SMALL) == pytest.approx(4 * sum(count([variable]) for variable in kept), rel=0.02)


_MEASURE = """
import pathlib, re
from mrisynth import program
program.import_tensorflow()
import tensorflow as tf
from mrisynth.networks import NetworkConfig
from mrisynth.training.config import OptimizationConfig
from mrisynth.training.schedule import GrowthSchedule
from mrisynth.training.state import TrainingState
from mrisynth.training.train_step import make_train_step

def peak():
    # Not getrusage's, which starts at the peak of the process that started this one.
    return 1024 * int(re.search(r"VmHWM:\\s+(\\d+)", pathlib.Path("/proc/self/status").read_text())[1])

network = NetworkConfig(
    resolution=64, latent_size=128, fmap_base=2048, fmap_max=64, attention_discriminator=(32,)
)
schedule = GrowthSchedule(64, total_iterations=0, batch_sizes=dict.fromkeys(network.resolutions, 16))
before = peak()
state = TrainingState(network, "float32", seed=0)
step = make_train_step(state, tf.distribute.get_strategy(), schedule.phases[-1], OptimizationConfig())
for _ in range(2):
    step(tf.zeros([16, 64, 64, 1]), tf.constant(1.0))["loss/generator"].numpy()
print(peak() - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="resident memory is counted in kilobytes on Linux")
def test_estimate_is_near_a_measurement():
    result = subprocess.run([sys.executable, "-c", _MEASURE], capture_output=True, text=True, check=True)
    network = NetworkConfig(
        resolution=64, latent_size=128, fmap_base=2048, fmap_max=64, attention_discriminator=(32,)
    )
    estimate = training_bytes(network, network.top_level, 16, "float32")
    assert 0.6 < estimate / int(result.stdout) < 1.7
