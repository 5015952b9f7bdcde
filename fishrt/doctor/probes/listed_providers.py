"""Which providers ONNX Runtime lists, and its version."""

from fishrt.doctor.probe import answer

if __name__ == "__main__":
    try:
        import onnxruntime

        answer(
            {
                "version": onnxruntime.__version__,
                "providers": onnxruntime.get_available_providers(),
            }
        )
    except Exception as error:
        answer(None, f"{type(error).__name__}: {error}")
