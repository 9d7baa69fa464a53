"""--strategy=multi_worker: two processes on loopback do what one does."""

import json
import signal
import socket
import types

import numpy as np
import pytest
import tensorflow as tf

from mrisynth.errors import UserError
from mrisynth.training import strategies
from tests.programs import TRAIN, begin, call, wait_for
from tests.training_flags import TINY

FLAGS = ["--model=c", *TINY, "--precision=float32"]


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def start(environment, *flags):
    return begin(TRAIN, *FLAGS, *flags, environment=environment)


def start_workers(*flags):
    workers = [f"127.0.0.1:{port}" for port in free_ports(2)]
    return [
        start(
            {
                "TF_CONFIG": json.dumps(
                    {"cluster": {"worker": workers}, "task": {"type": "worker", "index": index}}
                )
            },
            "--strategy=multi_worker",
            *flags,
        )
        for index in range(2)
    ]


def finish(processes, timeout=300):
    """(exit status, standard output, standard error) of every process."""
    results = []
    for process in processes:
        output, errors = process.communicate(timeout=timeout)
        results.append((process.returncode, output, errors))
    return results


def checkpoint(run_dir, iteration):
    """The float32 weights of both networks and of the average."""
    reader = tf.train.load_checkpoint(str(run_dir / "checkpoints" / f"checkpoint-{iteration}"))
    names = (name for name in reader.get_variable_to_shape_map() if "optimizer" not in name)
    values = {name: reader.get_tensor(name) for name in names}
    return {name: value for name, value in values.items() if getattr(value, "dtype", None) == np.float32}


def newest(run_dir):
    return max((int(p.stem.split("-")[1]) for p in run_dir.glob("checkpoints/*.index")), default=-1)


@pytest.mark.slow
def test_two_workers_do_what_one_process_does(tmp_path, small_dataset):
    data = f"--data_dir={small_dataset}"
    (alone,) = finish([start({}, data, f"--run_dir={tmp_path / 'alone'}")])
    assert alone[0] == 0, alone[2]
    chief, other = finish(start_workers(data, f"--run_dir={tmp_path / 'together'}"))
    assert chief[0] == 0, chief[2]
    assert other[0] == 0, other[2]
    expected, actual = (checkpoint(tmp_path / name, 14) for name in ("alone", "together"))
    assert len(expected) > 30
    for name, value in expected.items():
        np.testing.assert_allclose(actual[name], value, atol=5e-5, err_msg=name)
    # Only the first shows and writes; together they leave what one leaves.
    assert "Finished" in chief[1]
    assert other[1] == ""
    assert other[2].strip() == "waiting for the other workers"

    def files(run_dir):
        return sorted(str(p.relative_to(run_dir)) for p in run_dir.rglob("*") if "events.out" not in p.name)

    assert files(tmp_path / "together") == files(tmp_path / "alone")
    assert len(list((tmp_path / "together" / "tensorboard").iterdir())) == 1


@pytest.mark.slow
@pytest.mark.parametrize("lost", [0, 1], ids=["the first", "the second"])
def test_a_lost_worker_takes_the_job_down_and_all_go_on_from_the_checkpoint(lost, tmp_path, small_dataset):
    flags = [f"--data_dir={small_dataset}", f"--run_dir={tmp_path}"]
    long = [*flags, "--fade_images=100000", "--checkpoint_minutes=0.02"]
    workers = start_workers(*long)
    wait_for(lambda: newest(tmp_path) > 20, *workers)
    workers[lost].kill()
    workers[lost].communicate()
    (survivor,) = finish([workers[1 - lost]], timeout=120)
    assert survivor[0] == 1, survivor
    assert "error: another worker is lost; start the same command on all of them again" in survivor[2]
    assert "Traceback" not in survivor[2]
    reached = newest(tmp_path)
    workers = start_workers(*long)
    wait_for(lambda: newest(tmp_path) > reached, *workers)
    # Told to stop, one worker takes the others along, with a checkpoint.
    workers[1 - lost].send_signal(signal.SIGTERM)
    results = finish(workers, timeout=120)
    assert [result[0] for result in results] == [128 + signal.SIGTERM] * 2, results
    assert "run the same command again" in results[0][1]


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({}, "finds neither TF_CONFIG nor a Slurm step; start it with srun"),
        ({"TF_CONFIG": "{"}, "TF_CONFIG does not name this worker; set it to"),
        (
            {"TF_CONFIG": '{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 1}}'},
            "TF_CONFIG does not name this worker",
        ),
    ],
)
def test_workers_that_nothing_names_are_one_sentence(environment, message, tmp_path, monkeypatch):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    flags = ["--strategy=multi_worker", f"--data_dir={tmp_path}", f"--run_dir={tmp_path / 'run'}"]
    ended = call(TRAIN, *FLAGS, *flags)
    assert (ended.returncode, ended.stdout) == (1, "")
    waiting, error = ended.stderr.splitlines()
    assert waiting == "waiting for the other workers"
    assert error.startswith("error: ")
    assert message in error
    assert not (tmp_path / "run").exists()


def test_slurms_tasks_find_their_own_host_in_whatever_order(monkeypatch):
    # In alphabetical order node10 comes first, for Slurm it is task 1.
    names = ("STEP_NODELIST", "STEP_NUM_TASKS", "STEP_TASKS_PER_NODE", "LOCALID")
    for name, value in zip(names, ("node[9-10]", "2", "1(x2)", "0"), strict=True):
        monkeypatch.setenv(f"SLURM_{name}", value)
    for task, host in (("0", "node9"), ("1", "node10")):
        monkeypatch.setenv("SLURM_PROCID", task)
        monkeypatch.setenv("SLURMD_NODENAME", host)
        described = json.loads(strategies._cluster_of_slurm())
        workers = described["cluster"]["worker"]
        assert sorted(workers) == ["node10:8888", "node9:8888"]
        assert workers[described["task"]["index"]] == f"{host}:8888"
    monkeypatch.delenv("SLURMD_NODENAME")
    with pytest.raises(UserError, match="cannot tell the workers from Slurm's variables"):
        strategies._cluster_of_slurm()


@pytest.mark.parametrize(
    ("jobs", "task", "is_first"),
    [
        (("worker",), ("worker", 0), True),
        (("worker",), ("worker", 1), False),
        (("chief", "worker"), ("chief", 0), True),
        (("chief", "worker"), ("worker", 0), False),
    ],
)
def test_one_worker_is_the_first(jobs, task, is_first):
    cluster = types.SimpleNamespace(jobs=jobs)
    resolver = types.SimpleNamespace(task_type=task[0], task_id=task[1], cluster_spec=lambda: cluster)
    assert strategies.is_chief(types.SimpleNamespace(cluster_resolver=resolver)) == is_first


@pytest.mark.slow
def test_a_dry_run_of_two_workers(tmp_path, small_dataset):
    flags = [f"--data_dir={small_dataset}", f"--run_dir={tmp_path / 'run'}", "--dry_run", "--gp_interval=2"]
    chief, other = finish(start_workers(*flags))
    assert (chief[0], other[0]) == (0, 0), chief[2] + other[2]
    assert "on 2 replica(s)" in chief[1]
    assert other[1] == ""
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_slurm_names_the_workers_too(tmp_path, small_dataset):
    step = {
        "SLURM_STEP_NODELIST": "localhost",
        "SLURM_STEP_NUM_TASKS": "1",
        "SLURM_NTASKS": "1",
        "SLURM_STEP_TASKS_PER_NODE": "1",
        "SLURM_PROCID": "0",
        "SLURM_LOCALID": "0",
        "SLURMD_NODENAME": "localhost",
    }
    flags = ["--strategy=multi_worker", f"--data_dir={small_dataset}", f"--run_dir={tmp_path}"]
    ((status, output, errors),) = finish([start(step, *flags)])
    assert status == 0, errors
    assert "Finished" in output
