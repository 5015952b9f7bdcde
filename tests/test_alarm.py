"""The alarm in time: every k frames, over lost frames, and as the user wants it."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_bundle import make_tiny_bundle

from fishrt.bundle import Bundle, load_bundle
from fishrt.clip import ClipGeometry
from fishrt.decision import choose_again
from fishrt.errors import ConfigError
from fishrt.events import DecisionRule, Edge, alarm_starts
from realtime.alarm import Alarm, AlarmWishes, wished_rule
from realtime.forecast import Reason

RULE = DecisionRule(threshold=0.6, release=0.4, debounce=3, refractory=10)
DEMO = load_bundle("demo")


def starts(alarm: Alarm, said: list[tuple[int, float | None, Reason | None]]) -> list[int]:
    return [frame for frame, *rest in said if alarm.push(frame, *rest) is Edge.START]


@given(
    every=st.integers(1, 7),
    values=st.lists(st.sampled_from([0.1, 0.5, 0.7, 0.9]), max_size=40),
    debounce=st.integers(1, 5),
)
def test_forecasts_every_k_frames_alarm_as_where_the_threshold_was_chosen(
    every: int, values: list[float], debounce: int
) -> None:
    """`ScoredFrames.footage` holds each forecast until the next; so does the alarm."""
    rule = DecisionRule(0.6, 0.4, debounce, 10)
    said = [
        (frame, values[frame // every], None)
        if frame % every == 0
        else (frame, None, Reason.SKIPPED)
        for frame in range(every * len(values))
    ]
    held = np.repeat(np.array(values, float), every)
    assert starts(Alarm(rule), said) == alarm_starts(held, rule).tolist()


def test_debounce_is_time_whether_or_not_every_frame_has_a_forecast() -> None:
    each = [(frame, 0.9, None) for frame in range(5)]
    seldom = [(0, 0.9, None), *((frame, None, Reason.SKIPPED) for frame in range(1, 5))]
    assert starts(Alarm(RULE), each) == starts(Alarm(RULE), seldom) == [2]


@pytest.mark.parametrize("reason", [Reason.LATE, Reason.GAP, Reason.NOT_FINITE])
def test_a_forecast_that_is_withheld_stands_for_nothing(reason: Reason) -> None:
    alarm = Alarm(DecisionRule(0.6, 0.4))
    assert alarm.push(0, 0.9, None) is Edge.START
    assert alarm.push(1, None, Reason.SKIPPED) is None
    assert alarm.active
    assert alarm.push(2, 0.9, reason) is Edge.END
    assert alarm.push(3, None, Reason.SKIPPED) is None
    assert (alarm.active, alarm.standing) == (False, None)


def test_lost_frames_count_for_the_refractory_time() -> None:
    rule = DecisionRule(0.6, 0.4, debounce=1, refractory=10)
    said = [(0, 0.9, None), (1, 0.1, None), (2, 0.9, None), (9, 0.9, None), (11, 0.9, None)]
    assert starts(Alarm(rule), said) == [0, 11]


# -- what the user wants ---------------------------------------------------------------------


def test_the_bundles_rule_is_the_default() -> None:
    assert DEMO.metadata.decision is not None
    assert wished_rule(DEMO, AlarmWishes()) == DEMO.metadata.decision.rule


def test_each_wish_changes_its_own_part() -> None:
    usual = wished_rule(DEMO, AlarmWishes())
    rule = wished_rule(DEMO, AlarmWishes(threshold=0.5))
    assert (rule.threshold, rule.debounce, rule.refractory) == (
        0.5,
        usual.debounce,
        usual.refractory,
    )
    assert rule.release == pytest.approx(usual.release / usual.threshold * 0.5)
    asked = AlarmWishes(threshold=0.5, release=0.2, debounce=7, refractory=0)
    assert wished_rule(DEMO, asked) == DecisionRule(0.5, 0.2, 7, 0)
    assert wished_rule(DEMO, AlarmWishes(threshold=0.0)).release == 0.0


def test_a_rate_of_false_alarms_is_looked_up_in_the_bundle() -> None:
    decision = DEMO.metadata.decision
    assert decision is not None
    for rate in (1.0, 2.0, 4.0):
        chosen = choose_again(decision, rate)
        assert chosen is not None
        assert wished_rule(DEMO, AlarmWishes(false_alarms=rate)) == chosen.rule
    few, many = (wished_rule(DEMO, AlarmWishes(false_alarms=rate)) for rate in (1.0, 4.0))
    assert few.threshold > many.threshold


@pytest.fixture
def plain(tmp_path: Path) -> Bundle:
    """A bundle without a decision."""
    return make_tiny_bundle(tmp_path / "plain", ClipGeometry(2, 2, 12, 16))


def test_wishes_that_cannot_be_had_are_one_sentence(plain: Bundle) -> None:
    for bundle, wishes, complaint in (
        (DEMO, AlarmWishes(threshold=0.5, false_alarms=1.0), "give one"),
        (DEMO, AlarmWishes(threshold=0.5, release=0.6), "--release 0.6 is above"),
        (plain, AlarmWishes(false_alarms=1.0), "give --threshold"),
    ):
        with pytest.raises(ConfigError, match=complaint):
            wished_rule(bundle, wishes)
    assert wished_rule(plain, AlarmWishes()).threshold == 0.5
