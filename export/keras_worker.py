"""Times Keras' own `predict`, one clip a call; started by `fishrt bench` with an order on stdin."""

import json
import sys
import time
from typing import Any

import numpy as np

from fishrt.config import parse_config
from fishrt.timing import peak_memory_mb, percentiles, time_calls

ROUNDS = 30
LIMIT_S = 30.0
FEWEST = 7


def measure(order: dict[str, Any]) -> dict[str, Any]:
    """Predicts one clip after another: one forecast each, without fishrt.

    Args:
        order: `config` as a mapping, and `frames`, a NumPy file of uint8 `(T, H, W)`; the weights
            are random, which is as fast as trained ones.
    """
    import keras
    import tensorflow as tf

    from training.networks import build_network

    frames = np.load(order["frames"], allow_pickle=False)
    config = parse_config(order["config"], "the bundle")
    geometry = config.clip.geometry
    model = build_network(config.clip, config.model)
    ends = geometry.ends(len(frames))

    def predict(number: int) -> object:
        clip = geometry.cut(frames, ends[number % len(ends)])
        return model.predict(clip[None], verbose=0)

    startup = time.time() - order["begun"]
    first = time_calls(predict, 0, 1, 1, LIMIT_S)[0]  # builds the graph, which is not counted
    device = "GPU" if tf.config.list_physical_devices("GPU") else "CPU"
    return {
        **percentiles(time_calls(predict, 1, ROUNDS, FEWEST, LIMIT_S)),
        "first_ms": first,
        "warm_up_frames": 1,
        "startup_s": startup,
        "host_mb": peak_memory_mb(),
        "device_mb": None,
        "computed_by": f"Keras {keras.__version__}, TensorFlow {tf.__version__} on the {device}",
    }


if __name__ == "__main__":
    print(json.dumps(measure(json.load(sys.stdin))), flush=True)
