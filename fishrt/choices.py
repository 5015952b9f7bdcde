"""Choices that the command line shows and the code takes; light, so that `fishrt -h` is fast."""

import enum


class Background(enum.StrEnum):
    """Where the still background that is subtracted comes from."""

    NONE = "none"
    IMAGE = "image"
    MEDIAN = "median"


class Polarity(enum.StrEnum):
    """Whether the animals are brighter or darker than what is behind them."""

    BRIGHT = "bright"
    DARK = "dark"


class TrainMode(enum.StrEnum):
    """What the model is trained for: clips from zero state, or a state carried on."""

    WINDOW = "window"
    STREAM = "stream"


class Strategy(enum.StrEnum):
    """How training is spread over devices."""

    NONE = "none"
    MIRRORED = "mirrored"
    MULTI_WORKER = "multi-worker"


class GraphPrecision(enum.StrEnum):
    """What a graph's convolutions compute in; cell states and probabilities are always float32."""

    FP32 = "fp32"
    FP16 = "fp16"


class Backend(enum.StrEnum):
    """Libraries that compute a forecast."""

    CPU = "cpu"
    """ONNX Runtime on the processor."""

    CUDA = "cuda"
    """ONNX Runtime on an NVIDIA GPU, by its CUDA provider."""

    TENSORRT_RTX = "tensorrt-rtx"
    """ONNX Runtime on a GeForce RTX, by NVIDIA's TensorRT-RTX plugin."""

    TENSORRT = "tensorrt"
    """TensorRT on an NVIDIA GPU, by an engine of the bundle."""


class Runtime(enum.StrEnum):
    """What can be compared with Keras: each of the backends, and one that is not for live use."""

    ORT_CPU = "onnxruntime-cpu"
    ORT_CUDA = "onnxruntime-cuda"
    ORT_TENSORRT = "onnxruntime-tensorrt"
    """ONNX Runtime's own TensorRT provider."""

    ORT_TENSORRT_RTX = "onnxruntime-tensorrt-rtx"
    TENSORRT = "tensorrt"
    """The engines in the bundle."""
