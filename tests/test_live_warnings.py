"""A live session whose forecasts are worth nothing says so at its end."""

import json
import sys

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from tiny_bundle import make_tiny_bundle, reseal

from fishrt.cli import main
from fishrt.clip import ClipGeometry

GEOMETRY = ClipGeometry(steps=3, frames_per_step=2, height=12, width=16)


def live(monkeypatch, capfd, bundle, *options):
    """The session's JSON and what it said."""
    arguments = ["live", "-c", "demo", "-b", bundle.folder, "--as-fast-as-possible", "--no-window"]
    monkeypatch.setattr(sys, "argv", ["fishrt", *map(str, arguments), *options, "--json"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code
    captured = capfd.readouterr()
    return json.loads(captured.out), captured.err


def poisoned(bundle):
    """The same bundle with one weight that is not a number."""
    path = bundle.folder / "step.onnx"
    model = onnx.load(path)
    (dense,) = (c for c in model.graph.initializer if c.name == "dense")
    value = numpy_helper.to_array(dense).copy()
    value[0] = np.nan
    dense.CopyFrom(numpy_helper.from_array(value, "dense"))
    onnx.save(model, path)
    return reseal(bundle.folder)


def test_a_bundle_that_gives_no_numbers_ends_with_a_warning(tmp_path, monkeypatch, capfd):
    bundle = make_tiny_bundle(tmp_path / "tiny", GEOMETRY)
    record, said = live(monkeypatch, capfd, bundle, "--frames", "20")
    assert (record["figures"]["forecasts"], record["warnings"]) == (15, [])
    assert "warning: the model" not in said
    record, said = live(monkeypatch, capfd, poisoned(bundle), "--frames", "20")
    assert (record["figures"]["forecasts"], record["figures"]["not_numbers"]) == (0, 15)
    (warning,) = record["warnings"]
    assert warning.startswith("the model gave what is not a number for 15 frames")
    assert f"warning: {warning}" in said
