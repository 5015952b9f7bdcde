"""Where training computes: GPU or CPU, several of them, and whether XLA helps there."""

import time
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from fishrt.choices import Strategy
from fishrt.config import Compiler, FramesOn
from fishrt.errors import TrainingError

XLA_ROUNDS = 3
XLA_MARGIN = 0.95
"""XLA is taken only if a step takes less than this share of the time without it."""
SHARE_OF_GPU = 0.5
"""Frames stay on the GPU up to this share of its memory."""


def make_strategy(kind: Strategy) -> Any:
    """The TensorFlow strategy, or None for a single device.

    `mirrored` takes all GPUs, or where there are none all logical CPUs. `multi-worker` takes the
    processes that the environment variable TF_CONFIG names and must be made before anything
    else is computed.

    Raises:
        TrainingError: If TF_CONFIG is missing or does not make sense.
    """
    match kind:
        case Strategy.NONE:
            return None
        case Strategy.MIRRORED:
            devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
            return tf.distribute.MirroredStrategy([device.name for device in devices])
        case Strategy.MULTI_WORKER:
            resolver = tf.distribute.cluster_resolver.TFConfigClusterResolver()
            try:
                workers = resolver.cluster_spec().as_dict().get("worker")
            except (ValueError, KeyError, TypeError) as error:
                raise TrainingError("the environment variable TF_CONFIG is not valid.") from error
            if not workers:
                raise TrainingError(
                    "--strategy multi-worker needs the environment variable TF_CONFIG with the "
                    "addresses of all workers; see docs/training.md."
                )
            return tf.distribute.MultiWorkerMirroredStrategy()


def is_chief(strategy: Any) -> bool:
    """Whether this process is the one that writes the run."""
    resolver = getattr(strategy, "cluster_resolver", None)
    return resolver is None or (resolver.task_id or 0) == 0


def describe_devices(strategy: Any = None) -> str:
    """What computes, for a person: the GPU's name, or the CPU."""
    gpus = tf.config.list_physical_devices("GPU")
    names = [
        str(tf.config.experimental.get_device_details(gpu).get("device_name", gpu.name))
        for gpu in gpus
    ]
    what = f"the GPU {', '.join(names)}" if names else "the CPU (TensorFlow sees no GPU)"
    copies = strategy.num_replicas_in_sync if strategy is not None else 1
    return f"{what}, {copies} copies of the network in step" if copies > 1 else what


def keep_on_device(frames: NDArray[np.uint8], wanted: FramesOn, strategy: Any) -> bool:
    """Whether the frames are kept on the device instead of cut on the host.

    Args:
        frames: uint8 `(T, H, W)`.
        wanted: What the config asks for.
        strategy: Anything but None keeps them on the host: each device would need a copy.
    """
    if wanted is FramesOn.HOST or strategy is not None:
        return False
    if wanted is FramesOn.DEVICE:
        return True
    memory = gpu_memory()
    return memory is not None and frames.nbytes < SHARE_OF_GPU * memory


def gpu_memory() -> int | None:
    """Bytes of memory that the first GPU may use, or None without a GPU."""
    gpus = tf.config.list_logical_devices("GPU")
    if not gpus:
        return None
    from tensorflow.python.client import device_lib  # the only place that tells the limit

    limits = [
        device.memory_limit
        for device in device_lib.list_local_devices()
        if device.device_type == "GPU"
    ]
    return int(limits[0]) if limits else None


def use_xla(wanted: Compiler, model: keras.Model, batch: tuple[Any, ...], strategy: Any) -> bool:
    """Whether to compile the step with XLA.

    On a CPU `auto` means no: it measured 4 to 5 times slower there. On a GPU it is measured.

    Args:
        wanted: What the config asks for.
        model: The compiled model.
        batch: A batch of its data, as `train_on_batch` takes it.
        strategy: With one, `auto` means no.
    """
    if wanted is not Compiler.AUTO:
        return wanted is Compiler.ON
    if strategy is not None or not tf.config.list_logical_devices("GPU"):
        return False
    plain, compiled = (step_seconds(model, batch, jit) for jit in (False, True))
    return compiled < XLA_MARGIN * plain


def step_seconds(model: keras.Model, batch: tuple[Any, ...], xla: bool) -> float:
    """Seconds a training step takes, the best of a few; the model is left as it was."""
    before = [keras.ops.convert_to_numpy(variable) for variable in model.variables]
    optimizer, loss = model.optimizer, model.loss
    model.compile(keras.optimizers.Adam(1e-6), loss, jit_compile=xla)
    model.train_on_batch(*batch)  # traces and compiles
    seconds = []
    for _ in range(XLA_ROUNDS):
        start = time.perf_counter()
        model.train_on_batch(*batch)
        seconds.append(time.perf_counter() - start)
    model.compile(optimizer, loss, jit_compile=False)
    for variable, value in zip(model.variables, before, strict=False):
        variable.assign(value)
    return min(seconds)
