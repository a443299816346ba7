"""What trains together: one device, several of a machine, or several machines, by TensorFlow's own distribution."""

from __future__ import annotations

import os
from typing import Any

import tensorflow as tf

from bowstream.errors import UsageError
from bowstream.model.front_end import FrontEnd

from ..common.learned_config import BATCH_PARTS
from .pool import Tensors, on_device


def strategy_of(devices: int | None) -> tf.distribute.Strategy:
    """Return how a training is shared out; to be called before TensorFlow has done anything else.

    Where TF_CONFIG names the machines of a cluster, all of them; else the GPUs of this one, or its processor.

    Parameters
    ----------
    devices : so many of this machine. Without a GPU the processor stands for all, which gains nothing but shows that
        sharing works

    Raises
    ------
    UsageError
        If there are not so many, or a batch cannot be shared out among them.
    """
    if "TF_CONFIG" in os.environ:
        strategy = tf.distribute.MultiWorkerMirroredStrategy()
        refuse_uneven(strategy.num_replicas_in_sync)
        return strategy
    gpus = tf.config.list_physical_devices("GPU")
    count = max(1, len(gpus)) if devices is None else devices
    refuse_uneven(count)
    if count == 1:
        return tf.distribute.get_strategy()
    if not gpus:
        (processor,) = tf.config.list_physical_devices("CPU")
        tf.config.set_logical_device_configuration(processor, [tf.config.LogicalDeviceConfiguration()] * count)
    elif count > len(gpus):
        raise UsageError(f"--devices must be at most {len(gpus)}, the GPUs there are (got {count})")
    return tf.distribute.MirroredStrategy([f"{'GPU' if gpus else 'CPU'}:{index}" for index in range(count)])


def refuse_uneven(count: int) -> None:
    """Raise `UsageError` unless so many devices can share a batch evenly."""
    even = [number for number in range(1, BATCH_PARTS + 1) if BATCH_PARTS % number == 0]
    if count not in even:
        raise UsageError(f"devices that train together must be {', '.join(map(str, even))} (got {count})")


def on_all(strategy: tf.distribute.Strategy, arrays: Tensors, front_end: FrontEnd) -> Any:
    """Return a pool's arrays on each device of this machine that trains."""
    if strategy.num_replicas_in_sync == 1:
        return on_device(arrays, front_end)
    devices = strategy.extended.worker_devices
    return strategy.experimental_distribute_values_from_function(
        lambda context: on_device(arrays, front_end, devices[context.replica_id_in_sync_group % len(devices)])
    )


def writes(strategy: tf.distribute.Strategy) -> bool:
    """Return whether this process writes what all have learned: one of a cluster does."""
    resolver = strategy.cluster_resolver
    return resolver is None or (resolver.task_type, resolver.task_id) in {("chief", 0), ("worker", 0), (None, None)}
