"""TensorRT on a GPU: engines of the demo bundle, built here and compared. Not run by us yet.

What can be tested without a GPU is in test_tensorrt_engine.py and test_tensorrt_rtx.py.
"""

import io
import shutil

import numpy as np
import pytest

pytest.importorskip("onnxruntime", reason="neither the extra cpu nor gpu is installed")

from rich.console import Console

from export.agreement import LIMITS, Mode
from export.bundle_parity import compare_with_reference
from export.engines import ensure_engine
from fishrt.bundle import BUNDLED, GraphKind, GraphPrecision, load_bundle
from fishrt.choices import Backend, Runtime
from fishrt.errors import MachineError, MissingExtraError
from fishrt.gpu.card import current_gpu
from fishrt.gpu.tensorrt_library import tensorrt_version
from realtime.backends import stepper_maker
from realtime.lanes import ExactLanes

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.tensorrt,
    pytest.mark.timeout(1800),  # a build takes minutes
]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """A copy of the demo bundle, so that no engine gets into the checkout."""
    try:
        tensorrt_version()
        current_gpu()
    except (MachineError, MissingExtraError) as error:
        pytest.skip(str(error))
    folder = tmp_path_factory.mktemp("bundles") / "demo"
    shutil.copytree(BUNDLED / "demo", folder, ignore=shutil.ignore_patterns("engines"))
    return load_bundle(folder)


@pytest.mark.parametrize("precision", GraphPrecision)
def test_engines_built_here_compute_what_keras_computed(bundle, precision):
    for kind in GraphKind:
        engine = ensure_engine(bundle, kind, precision, Console(file=io.StringIO()), print)
        assert engine.metadata.proof.max <= LIMITS[precision]
    report = compare_with_reference(bundle, (Runtime.TENSORRT,), (precision,))
    assert {(a.backend, a.mode) for a in report.agreements} == {
        (Runtime.TENSORRT, mode) for mode in Mode
    }
    assert 0 < report.worst(precision) <= LIMITS[precision]

    geometry = bundle.metadata.config.clip.geometry
    ours = ExactLanes(stepper_maker(bundle, Backend.CPU)(geometry.steps), geometry)
    make = stepper_maker(bundle, Backend.TENSORRT, precision)
    theirs = ExactLanes(make(geometry.steps), geometry)
    shape = (geometry.frames + 50, geometry.height, geometry.width)
    for frame in np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8):
        a, b = ours.push(frame).probability, theirs.push(frame).probability
        assert a == b if a is None else b == pytest.approx(a, abs=LIMITS[precision])
