"""How to get what is not installed, worded in one way everywhere."""

from importlib.util import find_spec

from fishrt.errors import MissingExtraError


def install_command(*extras: str) -> str:
    """The command that installs extras of pyproject.toml, in a checkout."""
    return f"pip install -e '.[{','.join(extras)}]'"


def install_hint(extra: str) -> str:
    """The end of a sentence that says what is missing: which extra brings it, and how."""
    return f"install the extra {extra}, in a checkout with: {install_command(extra)}"


def require(extra: str, *modules: str) -> None:
    """Checks that an extra's modules are installed, without importing them.

    Args:
        extra: The extra that brings them, as in pyproject.toml.
        modules: Names of top-level modules.

    Raises:
        MissingExtraError: If one is absent.
    """
    absent = [module for module in modules if find_spec(module) is None]
    if absent:
        raise MissingExtraError(f"this command needs {', '.join(absent)}; {install_hint(extra)}")


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
