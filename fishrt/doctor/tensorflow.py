"""TensorFlow, for training: a matrix product on each of its devices."""

from importlib.util import find_spec

from fishrt.doctor.finding import Finding, Level
from fishrt.doctor.probe import ask
from fishrt.install_hints import install_command

TOPIC = "tensorflow"
LIMIT_S = 60.0  # importing it takes 5 to 10 s on a busy machine


def check_tensorflow() -> list[Finding]:
    """Whether TensorFlow imports and computes, where it is installed."""
    if find_spec("tensorflow") is None:
        what = "TensorFlow is not installed; it is for training and export alone"
        return [Finding(TOPIC, Level.NOTE, what, install_command("train", "export"))]
    tried = ask("tensorflow_devices", limit_s=LIMIT_S)
    if tried.values is None:
        return [
            Finding(
                TOPIC,
                Level.WARNING,
                f"TensorFlow is installed but does not work: {tried.reason}",
                f"{install_command('train', 'export')} --force-reinstall -c constraints.txt",
            )
        ]
    devices = ", ".join(
        f"{name.rsplit('device:', 1)[-1]} {milliseconds:.1f} ms"
        for name, milliseconds in tried.values["matrix_product_ms"].items()
    )
    what = f"TensorFlow {tried.values['version']} multiplies 512 x 512 matrices: {devices}"
    return [Finding(TOPIC, Level.OK, what, values=tried.values)]
