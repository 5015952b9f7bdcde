"""Online labels are the offline ones, a horizon late."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fishrt.motion import LabelRule, burst_labels
from fishrt.online_labels import LabelledLater, OnlineLabels


@given(
    levels=st.lists(st.integers(0, 9), max_size=80),
    horizon=st.integers(1, 12),
    depth=st.sampled_from([0.0, 0.1, 0.5, 1.0]),
    threshold=st.sampled_from([0.0, 0.2, 0.4]),
)
def test_online_equals_offline(
    levels: list[int], horizon: int, depth: float, threshold: float
) -> None:
    rule = LabelRule(horizon, depth, threshold)
    energy = np.array(levels, np.float64) / 10
    online = OnlineLabels(rule)
    assert online.delay == horizon
    given_back = [online.push(value) for value in energy]
    assert given_back[:horizon] == [None] * min(horizon, len(energy))
    assert given_back[horizon:] == burst_labels(energy, rule).tolist()
    online.reset()
    assert [online.push(value) for value in energy] == given_back


def test_a_gap_begins_anew() -> None:
    rule = LabelRule(horizon=3)
    energy = np.random.default_rng(0).random(40)
    later, known = LabelledLater[int](rule), []
    for start, stop in ((0, 15), (20, 40)):
        known += [later.push(energy[t - 1] if t > start else None, t) for t in range(start, stop)]
    expected = [*range(15 - 1 - 3), *range(20, 40 - 1 - 3)]
    labels = burst_labels(energy, rule)
    assert [pair for pair in known if pair] == [(labels[t], t) for t in expected]


def test_online_on_published_motion(reference) -> None:  # type: ignore[no-untyped-def]
    folder = reference / "published_targets" / "validation"
    energy = np.load(folder / "motion_energy.npy")
    online = OnlineLabels(LabelRule())
    labels = [online.push(value) for value in energy.tolist()][45:]
    assert labels == burst_labels(energy, LabelRule()).tolist()
