"""How fast training is, against the published way and the stock layer.

    python -m benchmarks.train                 everything, at the published size
    python -m benchmarks.train --small         at half the side, for slow machines

Each table comes from one run, its rows measured in turn, because the machine may be shared.
"""

import argparse
import itertools
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import keras
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fishrt.config import (
    ClipConfig,
    Config,
    Flips,
    Precision,
    TrainConfig,
    TrainMode,
    load_config,
)
from fishrt.simulate import SimulatedTank, TankSpec
from training.convlstm import hard_sigmoid_2021
from training.dataset import ClipBatches, ClipSet
from training.devices import describe_devices
from training.forecaster import Forecaster
from training.loss import WeightedCrossentropy
from training.stream_batches import StreamBatches
from training.trainee import Trainee

FRAMES = 1200
BATCH = 4
ROUNDS = 5


def footage(folder: Path, clip: ClipConfig) -> NDArray[np.uint8]:
    """Frames of the simulated tank, and the same as numbered 320x240 PNGs in a folder."""
    frames = np.empty((FRAMES, clip.height, clip.width), np.uint8)
    for index, (image, _) in enumerate(itertools.islice(SimulatedTank(TankSpec(seed=1)), FRAMES)):
        cv2.imwrite(str(folder / f"{index:05d}.png"), image)
        size = (clip.width, clip.height)
        frames[index] = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return frames


def clip_set(frames: NDArray[np.uint8], clip: ClipConfig) -> ClipSet:
    """Clips at every frame, with labels that are drawn: their values cost no time."""
    labels = np.random.default_rng(0).integers(0, 2, len(frames)).astype(np.uint8)
    return ClipSet(frames, labels, np.arange(clip.geometry.frames - 1, len(frames)), clip.geometry)


def published_generator(folder: Path, clip: ClipConfig, count: int) -> float:
    """Clips a second where every clip's 120 PNGs are decoded by PIL, reduced and stacked."""
    paths = sorted(folder.glob("*.png"))
    first = np.random.default_rng(0).integers(0, len(paths) - clip.geometry.frames, count)
    start = time.perf_counter()
    for begin in first:
        pictures = [
            np.asarray(Image.open(path).resize((clip.width, clip.height)), np.float32) / 255
            for path in paths[begin : begin + clip.geometry.frames]
        ]
        np.stack(pictures).reshape(
            clip.steps, clip.frames_per_step, clip.height, clip.width
        ).transpose(0, 2, 3, 1)
    return count / (time.perf_counter() - start)


def our_pipeline(clips: ClipSet, count: int) -> float:
    """Clips a second of the batches that training reads, all of it that the host does."""
    data = ClipBatches(clips, 4, flips=Flips.CONCATENATE, seed=0)
    start = time.perf_counter()
    for index in range(count // 4):
        data[index % len(data)]
    return count / (time.perf_counter() - start)


def stock_network(config: Config, precision: Precision) -> keras.Model:
    """The published network of stock Keras layers."""
    inputs = keras.Input(config.clip.geometry.clip_shape, dtype="uint8")
    policy = {"dtype": precision.value}
    x = keras.layers.Rescaling(1 / 255, **policy)(inputs)
    options = {"activation": "tanh", "recurrent_activation": hard_sigmoid_2021, "use_bias": False}
    first, second = config.model.filters
    x = keras.layers.ConvLSTM2D(first, 3, return_sequences=True, **options, **policy)(x)
    x = keras.layers.MaxPooling3D((1, 2, 2), **policy)(x)
    x = keras.layers.BatchNormalization(center=False, scale=False, **policy)(x)
    x = keras.layers.ConvLSTM2D(second, 3, **options, **policy)(x)
    x = keras.layers.GlobalMaxPooling2D(**policy)(x)
    return keras.Model(inputs, keras.layers.Dense(1, activation="sigmoid", dtype="float32")(x))


def our_network(config: Config, mode: TrainMode, precision: Precision) -> Trainee:
    """The same of our layers, as `fishrt train` fits it."""
    forecaster = Forecaster(config.clip, config.model, precision=precision.value)
    return Trainee(forecaster, mode, config.clip.geometry.frames, BATCH)


def compiled(model: keras.Model) -> keras.Model:
    """The model, ready for `train_on_batch`."""
    model.compile(keras.optimizers.Adam(8e-5), WeightedCrossentropy(), jit_compile=False)
    return model


def seconds(action: Callable[[], Any]) -> float:
    """Seconds that one call takes."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def in_turn(actions: dict[str, Callable[[], Any]]) -> dict[str, float]:
    """Median seconds of actions that are run in turn, after one run each to warm up."""
    for action in actions.values():
        action()
    rounds = [{name: seconds(action) for name, action in actions.items()} for _ in range(ROUNDS)]
    return {name: float(np.median([one[name] for one in rounds])) for name in actions}


def measure_pipeline(folder: Path, clips: ClipSet, config: Config) -> None:
    """Prints (a): the input pipeline alone."""
    pairs = [
        (published_generator(folder, config.clip, 6), our_pipeline(clips, 2000)) for _ in range(3)
    ]
    theirs, ours = (float(np.median(side)) for side in zip(*pairs, strict=True))
    print(
        f"input pipeline: published generator {theirs:.1f} clips/s, ours {ours:.0f} clips/s, "
        f"ratio {ours / theirs:.0f}"
    )


def measure_training(clips: ClipSet, config: Config) -> None:
    """Prints (b) and (c): our layer against the stock one, and stream against window."""
    batch, labels = ClipBatches(clips, BATCH, flips=Flips.NONE, seed=0)[0]
    settings = TrainConfig.model_validate(
        {"mode": "stream", "batch_size": BATCH, "warm_up_steps": 0, "flips": "random"}
    )
    chunk = StreamBatches(clips, settings, training=True)[0]
    stream = compiled(our_network(config, TrainMode.STREAM, Precision.FLOAT32))
    actions: dict[str, Callable[[], Any]] = {"stream": lambda: stream.train_on_batch(*chunk)}
    for precision in (Precision.FLOAT32, Precision.MIXED_BFLOAT16):
        window = compiled(our_network(config, TrainMode.WINDOW, precision))
        stacked = np.asarray(window.clips(batch))
        actions[f"ours, {precision}"] = partial(window.train_on_batch, batch, labels)
        stock = compiled(stock_network(config, precision))
        actions[f"stock, {precision}"] = partial(stock.train_on_batch, stacked, labels)
    taken = in_turn(actions)
    size = f"{config.clip.width}x{config.clip.height}"
    print(f"training on {describe_devices()}, {size}, batch {BATCH}:")
    reference = taken[f"stock, {Precision.FLOAT32}"]
    for name, time_taken in taken.items():
        if name != "stream":
            rate, ratio = BATCH / time_taken, reference / time_taken
            print(f"layer: {name}: {rate:.2f} clips/s, {ratio:.2f} of stock in float32")
    counted = float(np.asarray(chunk[2]).sum())
    by_window, by_stream = BATCH / taken[f"ours, {Precision.FLOAT32}"], counted / taken["stream"]
    print(
        f"labels: window {by_window:.2f} labels/s, stream {by_stream:.1f} labels/s, "
        f"ratio {by_stream / by_window:.1f}"
    )


def main() -> None:
    """Measures everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="80x60 frames, 8 and 16 filters")
    small = ("clip.height=60", "clip.width=80", "model.filters=[8, 16]")
    config = load_config(None, small if parser.parse_args().small else ())
    with tempfile.TemporaryDirectory() as name:
        clips = clip_set(footage(Path(name), config.clip), config.clip)
        measure_pipeline(Path(name), clips, config)
        measure_training(clips, config)


if __name__ == "__main__":
    main()
