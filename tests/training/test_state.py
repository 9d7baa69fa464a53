import numpy as np
import pytest
import tensorflow as tf

from mrisynth.training.state import TrainingState
from tests.untrained_runs import NETWORK, make_state


def arrays(state):
    return {
        **{name: variable.numpy() for name, variable in state.generator.named_variables().items()},
        **{f"average {n}": v.numpy() for n, v in state.average.named_variables().items()},
        **{f"discriminator {n}": v.numpy() for n, v in state.discriminator.named_variables().items()},
        **{f"moments {i}": v.numpy() for i, v in enumerate(state.generator_optimizer.state_variables())},
        "iteration": state.iteration.numpy(),
        "skipped_in_a_row": state.skipped_in_a_row.numpy(),
    }


def test_the_seed_decides_the_weights_and_the_average_starts_as_their_copy():
    one, same, other = (arrays(TrainingState(NETWORK, "float32", seed)) for seed in (3, 3, 4))
    for name, value in one.items():
        np.testing.assert_array_equal(value, same[name])
        if f"average {name}" in one:
            np.testing.assert_array_equal(value, one[f"average {name}"])
    assert any(not np.array_equal(value, other[name]) for name, value in one.items())


def test_a_phase_starts_the_optimizers_afresh_and_finetuning_does_not():
    state = TrainingState(NETWORK, "float32", seed=3)
    optimizer = state.generator_optimizer
    for variable in optimizer.state_variables():
        variable.assign(tf.ones_like(variable))
    state.start_phase(2e-4, resets_optimizers=False)
    assert all(np.all(variable.numpy() == 1) for variable in optimizer.state_variables())
    assert float(optimizer.learning_rate) == pytest.approx(2e-4)
    state.start_phase(1e-3, resets_optimizers=True)
    assert all(np.all(variable.numpy() == 0) for variable in optimizer.state_variables())
    assert float(optimizer.learning_rate) == pytest.approx(1e-3)


def test_skipping_ends_with_a_step_of_every_kind_that_was_good():
    state = TrainingState(NETWORK, "float32", seed=3)
    assert not state.is_skipping()
    state.skipped_in_a_row.assign([0, 2, 0])
    assert state.is_skipping()


@pytest.mark.both_stacks
def test_a_checkpoint_holds_all_that_training_changes(tmp_path):
    state, other = make_state(), TrainingState(NETWORK, "float32", seed=9)
    for number, variable in enumerate(state.generator_optimizer.state_variables()):
        variable.assign(tf.fill(variable.shape, tf.cast(number, variable.dtype)))
    state.iteration.assign(12)
    state.skipped_in_a_row.assign([1, 2, 3])
    state.checkpoint().write(str(tmp_path / "checkpoint"))
    other.checkpoint().read(str(tmp_path / "checkpoint")).assert_consumed()
    expected = arrays(state)
    for name, value in arrays(other).items():
        np.testing.assert_array_equal(value, expected[name], err_msg=name)
