"""How to get what is not installed, worded in one way everywhere."""


def install_command(*extras: str) -> str:
    """The command that installs extras of pyproject.toml, in a checkout."""
    return f"pip install -e '.[{','.join(extras)}]'"


def install_hint(extra: str) -> str:
    """The end of a sentence that says what is missing: which extra brings it, and how."""
    return f"install the extra {extra}, in a checkout with: {install_command(extra)}"


def gpu_command() -> str:
    """The command that changes ONNX Runtime for the one with CUDA, in a checkout.

    Both packages bring the module `onnxruntime`: side by side they overwrite each other.
    """
    return f"pip uninstall -y onnxruntime && {install_command('gpu')}"


def no_cuda_hint() -> str:
    """That the ONNX Runtime here is the one without CUDA, and how to change it."""
    return (
        "this ONNX Runtime has no CUDA; change it for that of the extra gpu, in a checkout with: "
        f"{gpu_command()}"
    )
