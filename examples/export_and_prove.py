"""Export a run to ONNX, and compute a forecast with nothing but ONNX Runtime.

    python examples/export_and_prove.py [--folder example-output]

Needs the run that train_on_simulated_footage.py leaves. Export compares the graphs with Keras and
writes no bundle if they differ; then a clip is run through `clip.onnx`, and its time steps, one
after the other, through `step.onnx`: both must say the same.
"""

import argparse
from pathlib import Path

import numpy as np
import onnxruntime

from export.bundle import export_run
from fishrt.bundle import GraphKind, load_bundle
from fishrt.recording import load_recording
from training.run import load_run


def main(folder: Path) -> None:
    """Exports and computes."""
    recording = load_recording(folder / "recording")
    done = export_run(load_run(folder / "run"), folder / "bundle", recording)
    print(f"{done.bytes / 1e6:.2f} MB in {done.folder}: {done.nodes}")

    bundle = load_bundle(folder / "bundle")
    clip = bundle.metadata.config.clip.geometry
    shape = (clip.steps, clip.frames_per_step, clip.height, clip.width)
    time_steps = recording.frames[: clip.frames].reshape(shape)  # oldest first, uint8

    whole = onnxruntime.InferenceSession(bundle.graph(GraphKind.CLIP))
    at_once = whole.run(["probability"], {"clip": time_steps[None]})[0][0]

    step = onnxruntime.InferenceSession(bundle.graph(GraphKind.STEP))
    names = [output.name for output in step.get_outputs()]
    states = {
        state.name: np.zeros((1, *state.shape), np.float32) for state in bundle.metadata.states
    }
    probability = np.zeros(1)
    for time_step in time_steps:
        inputs = {"time_step": time_step[None], **states}
        values = dict(zip(names, step.run(names, inputs), strict=True))
        probability = values["probability"]
        states = {name: values[f"next_{name}"] for name in states}
    print(f"a clip at once: {at_once:.6f}; step by step: {probability[0]:.6f}")
    if abs(at_once - probability[0]) > 1e-5:
        raise SystemExit("they differ")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path("example-output"))
    main(parser.parse_args().folder)
