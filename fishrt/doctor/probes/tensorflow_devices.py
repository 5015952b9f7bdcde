"""Imports TensorFlow and multiplies a matrix on each of its devices."""

import os
import time
from typing import Any

from fishrt.doctor.probe import answer

SIDE = 512


def try_devices() -> dict[str, Any]:
    """Multiplies a matrix on each device, twice, and times the second time."""
    import tensorflow as tf

    devices = {}
    for device in tf.config.list_logical_devices():
        with tf.device(device.name):
            matrix = tf.random.uniform((SIDE, SIDE))
            tf.matmul(matrix, matrix).numpy()
            start = time.perf_counter()
            tf.matmul(matrix, matrix).numpy()
        devices[device.name] = (time.perf_counter() - start) * 1000.0
    built = tf.sysconfig.get_build_info()
    return {
        "version": tf.__version__,
        "built_for_cuda": str(built.get("cuda_version", "")),
        "matrix_product_ms": devices,
    }


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        answer(try_devices())
    except Exception as error:
        answer(None, f"{type(error).__name__}: {error}")
