"""Optional dependencies: a sentence with the cure instead of an ImportError."""

import os
import sys
import tempfile
from importlib import import_module

from fishrt.install_hints import require


def import_tensorflow_quietly() -> None:
    """Imports TensorFlow without the pages of start-up notes that its C++ side prints.

    What it printed is shown after all if the import fails.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.stderr.flush()
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as notes:
        os.dup2(notes.fileno(), 2)
        try:
            import_module("tensorflow")
        except BaseException:
            notes.seek(0)
            os.write(stderr, notes.read())
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)


def prepare_export() -> None:
    """Checks that a network can be built and exported here, and imports TensorFlow.

    Raises:
        MissingExtraError: If an extra is absent.
    """
    require("train", "tensorflow")
    require("export", "tf2onnx", "onnx")
    import_tensorflow_quietly()
