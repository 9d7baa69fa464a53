"""Devices: which strategy distributes the work, and what the hardware computes in."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
from collections.abc import Iterator, Mapping

import tensorflow as tf

from mrisynth.cores import available_cores
from mrisynth.errors import UserError
from mrisynth.layers.normalization import MINIBATCH_GROUP
from mrisynth.training.config import JitCompile, Precision, Strategy

_MOST_TASKS = 64
_SLURM_PORT = 8888
# What a worker sees of another's death.
_LOST_WORKER = (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.CancelledError)


def make_strategy(name: Strategy) -> tf.distribute.Strategy:
    """The tf.distribute strategy that a name stands for.

    Args:
        name: DEFAULT (one device), MIRRORED (all GPUs of this machine, or its CPU where it has none), or
            MULTI_WORKER (all GPUs of several machines, which TF_CONFIG or Slurm names). The last must be made
            before TensorFlow has computed anything, and waits until every worker is there. The others take
            TF_CONFIG out of the environment, where TensorFlow would read it for every strategy.

    Raises:
        UserError: If nothing says who the workers are.
    """
    if name == Strategy.MULTI_WORKER:
        return _multi_worker_strategy()
    os.environ.pop("TF_CONFIG", None)
    if name == Strategy.MIRRORED:
        found = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
        return tf.distribute.MirroredStrategy([device.name for device in found])
    return tf.distribute.get_strategy()


def device_in_words(strategy: tf.distribute.Strategy, precision: Precision) -> str:
    """What a run is computed on and in, such as "2 GPUs (NVIDIA A100), mixed_bfloat16"."""
    count, policy = strategy.num_replicas_in_sync, dtype_policy(precision)
    found = tf.config.list_physical_devices("GPU")
    if not tf.config.get_visible_devices("GPU"):
        devices = f", as {count} devices" if count > 1 else ""
        return f"CPU, {available_cores()} cores{devices}, {policy}"
    name = tf.config.experimental.get_device_details(found[0]).get("device_name", "unknown")
    return f"{count} GPU{'s' if count > 1 else ''} ({name}), {policy}"


def _multi_worker_strategy() -> tf.distribute.Strategy:
    # Containers are often given an empty one.
    if not os.environ.get("TF_CONFIG") and "SLURM_STEP_NODELIST" in os.environ:
        os.environ["TF_CONFIG"] = _cluster_of_slurm()
    if not os.environ.get("TF_CONFIG"):
        raise UserError(
            "--strategy=multi_worker finds neither TF_CONFIG nor a Slurm step; start it with srun, or set "
            "TF_CONFIG on every worker"
        )
    try:
        described = json.loads(os.environ["TF_CONFIG"])
        task = described["task"]
        address = described["cluster"][task["type"]][task["index"]]
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise UserError(
            'TF_CONFIG does not name this worker; set it to {"cluster": {"worker": ["HOST:PORT", ...]}, '
            '"task": {"type": "worker", "index": N}}'
        ) from error
    try:
        return tf.distribute.MultiWorkerMirroredStrategy()
    except (ValueError, RuntimeError, tf.errors.OpError) as error:
        raise UserError(
            f"the worker at {address} of --strategy=multi_worker does not find the others "
            f"({' '.join(str(error).split())[:200]}); start all of them at about the same time"
        ) from error


def _cluster_of_slurm() -> str:
    """TF_CONFIG for a Slurm step: one task a machine, with all the GPUs that it sees."""
    try:
        # The resolver would divide the GPUs up; what it is told of them has no effect without auto_set_gpu.
        resolver = tf.distribute.cluster_resolver.SlurmClusterResolver(
            port_base=_SLURM_PORT, gpus_per_node=_MOST_TASKS, gpus_per_task=1, auto_set_gpu=False
        )
        workers = resolver.cluster_spec().as_dict()["worker"]
        # It lists the hosts in alphabetical order, which need not be that of Slurm's task numbers.
        port = _SLURM_PORT + int(os.environ["SLURM_LOCALID"])
        index = workers.index(f"{os.environ['SLURMD_NODENAME']}:{port}")
    except (RuntimeError, ValueError, KeyError) as error:
        raise UserError(
            f"--strategy=multi_worker cannot tell the workers from Slurm's variables ({error}); start it "
            "with srun, one task a node, or set TF_CONFIG on every worker"
        ) from error
    return json.dumps({"cluster": {"worker": workers}, "task": {"type": "worker", "index": index}})


def is_chief(strategy: tf.distribute.Strategy) -> bool:
    """Whether this process is the one that writes: the only one, or the first of several workers."""
    resolver = strategy.cluster_resolver
    if resolver is None or not resolver.task_type:
        return True
    first = "chief" if "chief" in resolver.cluster_spec().jobs else "worker"
    return resolver.task_type == first and resolver.task_id == 0


def is_multi_worker(strategy: tf.distribute.Strategy) -> bool:
    """Whether other processes share the work."""
    return isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)


@contextlib.contextmanager
def naming_lost_workers(strategy: tf.distribute.Strategy) -> Iterator[None]:
    """Turns what TensorFlow raises when another worker is lost into one sentence.

    Raises:
        UserError: If one was.
    """
    try:
        yield
    except _LOST_WORKER as error:
        if not is_multi_worker(strategy):
            raise
        raise UserError(
            "another worker is lost; start the same command on all of them again to go on from the last "
            "checkpoint"
        ) from error


def local_replicas(strategy: tf.distribute.Strategy) -> int:
    """How many of the replicas this process has."""
    if is_multi_worker(strategy):
        return len(strategy.extended.worker_devices)
    return strategy.num_replicas_in_sync


def total(strategy: tf.distribute.Strategy, value: int) -> int:
    """The sum of a number over all workers, each of which must ask for it: a meeting point, too."""
    if not is_multi_worker(strategy):
        return value
    local = local_replicas(strategy)

    def share(context: tf.distribute.ReplicaContext) -> tf.Tensor:
        return tf.constant(value if context.replica_id_in_sync_group % local == 0 else 0, tf.int64)

    values = strategy.experimental_distribute_values_from_function(share)
    return int(strategy.reduce(tf.distribute.ReduceOp.SUM, values, axis=None))


def meet(strategy: tf.distribute.Strategy) -> None:
    """Waits until every worker has come here."""
    total(strategy, 0)


def from_chief(strategy: tf.distribute.Strategy, value: int) -> int:
    """The first worker's number, on every worker."""
    return total(strategy, value if is_chief(strategy) else 0)


def check_batches(batch_sizes: Mapping[int, int], replicas: int) -> None:
    """Checks that every batch can be dealt out to the replicas and to the minibatch groups on each.

    Args:
        batch_sizes: Global batch by resolution.
        replicas: Number of replicas that share it.

    Raises:
        UserError: If one cannot, naming the resolution and the batch that would do.
    """
    for resolution, batch in sorted(batch_sizes.items()):
        _check_batch(resolution, batch, replicas)


def _check_batch(resolution: int, batch: int, replicas: int) -> None:
    if batch % replicas:
        raise UserError(
            f"--batch_sizes gives {batch} images at {resolution}x{resolution}, which {replicas} "
            f"replicas cannot share evenly; use a multiple of {replicas}"
        )
    share = batch // replicas
    if share > MINIBATCH_GROUP and share % MINIBATCH_GROUP:
        fewer = replicas * MINIBATCH_GROUP * (share // MINIBATCH_GROUP)
        raise UserError(
            f"--batch_sizes gives each of {replicas} replica(s) {share} images at "
            f"{resolution}x{resolution}, which the minibatch standard deviation cannot divide into "
            f"groups of {MINIBATCH_GROUP}; use {fewer} or {fewer + replicas * MINIBATCH_GROUP}"
        )


def has_bfloat16() -> bool:
    """Whether the hardware multiplies bfloat16 matrices faster than float32 ones."""
    gpus = tf.config.get_visible_devices("GPU")
    if gpus:
        capabilities = (tf.config.experimental.get_device_details(gpu) for gpu in gpus)
        return all(details.get("compute_capability", (0, 0)) >= (8, 0) for details in capabilities)
    processor = pathlib.Path("/proc/cpuinfo")
    flags = processor.read_text(errors="replace") if processor.exists() else ""
    return "avx512_bf16" in flags or "amx_bf16" in flags


def dtype_policy(precision: Precision) -> str:
    """The Keras dtype policy for a precision."""
    if precision == Precision.AUTO:
        return "mixed_bfloat16" if has_bfloat16() else "float32"
    return str(precision)


def compiles(choice: JitCompile) -> bool:
    """Whether XLA compiles the step on this machine."""
    if choice == JitCompile.AUTO:
        return bool(tf.config.get_visible_devices("GPU"))
    return choice == JitCompile.TRUE
