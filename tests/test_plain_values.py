"""What is written as JSON or YAML holds plain types, and no number that JSON has no word for."""

import json
import math

import numpy as np
import yaml

from fishrt.choices import Backend
from fishrt.plain_values import plain


def test_numpy_enums_and_numbers_that_are_none():
    value = {
        Backend.CUDA: (np.float32(0.5), np.int64(3), np.bool_(True)),
        "none": [math.nan, -math.inf, np.float64("inf"), None],
        "deep": {"er": ({"est": Backend.CPU},)},
    }
    expected = {
        "cuda": [0.5, 3, True],
        "none": [None] * 4,
        "deep": {"er": [{"est": "cpu"}]},
    }
    got = plain(value)
    assert got == expected
    assert json.loads(json.dumps(got, allow_nan=False)) == yaml.safe_load(yaml.safe_dump(got))
    assert type(got["deep"]["er"][0]["est"]) is str
    assert [type(entry) for entry in got["cuda"]] == [float, int, bool]
