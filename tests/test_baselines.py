"""The motion baselines: the published rule against a loop, and no look into the future."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fishrt.metrics import roc_auc
from fishrt.motion_baselines import (
    PAST,
    FittedBaseline,
    OnlineBaseline,
    algorithmic_baseline,
    motion_features,
)
from training.baselines import fitted_baseline


def published_rule(m, t):
    window = m[t - 89 : t]
    low, high = min(window), max(window)
    s1 = 1 / (1 + math.exp(-5300 * ((high - low) - 0.0006)))
    s2 = 1 / (1 + math.exp(11000 * (m[t - 1] - (low + 0.2 * (high - low)))))
    return (s1 + s2) / 2


def test_the_published_rule_equals_a_loop():
    m = np.random.default_rng(0).gamma(3.0, 0.0004, 400)
    frames = np.arange(89, 400)
    expected = [published_rule(m, t) for t in frames]
    np.testing.assert_allclose(algorithmic_baseline(m, frames), expected, rtol=0, atol=1e-12)


def test_its_auc_on_the_published_validation_part(reference):
    folder = reference / "published_targets" / "validation"
    m, labels = (np.load(folder / f"{name}.npy") for name in ("motion_energy", "burst_label"))
    frames = np.arange(119, len(m) - 2 - 45 + 1)
    auc = roc_auc(labels[frames], algorithmic_baseline(m, frames))
    assert auc == pytest.approx(0.787, abs=0.001)  # measured


@pytest.mark.parametrize("forecast", [algorithmic_baseline, motion_features])
def test_the_future_changes_nothing(forecast):
    m = np.random.default_rng(1).gamma(3.0, 0.0004, 300)
    frames = np.arange(PAST, 200)
    for t in (PAST, 150, 199):
        changed = m.copy()
        changed[t:] += 1.0
        now = frames == t
        assert np.array_equal(forecast(m, frames)[now], forecast(changed, frames)[now])
        changed = m.copy()
        changed[t - 1] += 0.01  # the newest value that is known does matter
        assert not np.array_equal(forecast(m, frames)[now], forecast(changed, frames)[now])


def test_frames_without_a_past_are_refused():
    with pytest.raises(ValueError, match="between 89 and 200"):
        algorithmic_baseline(np.zeros(200), np.array([88]))


def test_the_fitted_baseline_learns_what_motion_tells():
    pytest.importorskip("sklearn", reason="the train extra is not installed")
    rng = np.random.default_rng(2)
    m = rng.gamma(3.0, 0.0004, 6000)
    labels = np.zeros(6000, np.uint8)
    labels[1:] = m[:-1] > np.median(m)  # known from m[t-1] alone
    forecast = fitted_baseline(m, labels, np.arange(PAST, 4000))
    test = np.arange(4000, 6000)
    assert roc_auc(labels[test], forecast(m, test)) > 0.99  # measured: 1.000


FITTED = FittedBaseline(
    unit=0.0012,
    intercept=-1.3,
    weights=tuple(np.random.default_rng(4).normal(0, 0.1, 68).tolist()),
)


@settings(max_examples=25)
@given(
    seed=st.integers(0, 2**32 - 1),
    lengths=st.lists(st.integers(1, 260), min_size=1, max_size=3),
    baseline=st.sampled_from([algorithmic_baseline, FITTED]),
)
def test_a_baseline_says_online_what_it_says_of_the_whole_recording(seed, lengths, baseline):
    rng = np.random.default_rng(seed)
    online = OnlineBaseline(baseline)
    for length in lengths:  # each follows a gap
        energy = rng.gamma(3.0, 0.0004, length)
        said = []
        for value in [None, *energy.tolist()]:
            online.push(value)
            said.append(online.forecast())
        assert said[:PAST] == [None] * min(PAST, length + 1)
        frames = np.arange(PAST, length + 1)
        if len(frames):
            # the running sums are of the same numbers in the same order: to the last digits
            np.testing.assert_allclose(said[PAST:], baseline(energy, frames), rtol=1e-12)
