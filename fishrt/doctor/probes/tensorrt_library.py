"""Imports TensorRT and makes a builder, which takes a GPU and a driver that fit."""

from fishrt.doctor.probe import answer

if __name__ == "__main__":
    try:
        import tensorrt

        builder = tensorrt.Builder(tensorrt.Logger(tensorrt.ILogger.Severity.ERROR))
        answer({"version": tensorrt.__version__, "builder": builder is not None})
    except Exception as error:
        answer(None, f"{type(error).__name__}: {error}")
