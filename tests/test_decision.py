"""The decision that travels with a model: how it is chosen, and that it is checked."""

import numpy as np
import pytest
from pydantic import ValidationError

from fishrt.decision import STORED_POINTS, Decision, choose_again, choose_decision, fixed_decision
from fishrt.events import Footage, score_events

OPTIONS = {"horizon": 45, "fps": 30.0}


@pytest.fixture(scope="module")
def footage():
    rng = np.random.default_rng(1)
    labels = np.repeat(rng.random(600) < 0.1, 30).astype(int)
    p = np.clip(0.1 * labels + rng.random(18000) * 0.6, 0, 1)
    return [Footage(labels, np.convolve(p, np.ones(9) / 9, "same"))]


def test_a_decision_says_what_it_gave_where_it_was_chosen(footage):
    decision = choose_decision(footage, 1.0, "the validation part of tank", **OPTIONS)
    scores = score_events(footage, decision.rule, **OPTIONS)
    given = decision.on_that_footage
    assert given.false_alarms_per_minute == scores.false_alarms_per_minute <= 1.0
    assert given.share_caught == scores.share_caught > 0
    assert decision.false_alarms_asked == 1.0
    assert len(decision.curve) <= STORED_POINTS
    assert Decision.model_validate(decision.model_dump(mode="json")) == decision


def test_another_rate_is_told_by_the_stored_curve(footage):
    decision = choose_decision(footage, 1.0, "there", **OPTIONS)
    more = choose_again(decision, 3.0)
    assert more.threshold < decision.threshold
    assert more.on_that_footage.share_caught > decision.on_that_footage.share_caught
    assert more.release / more.threshold == pytest.approx(decision.release / decision.threshold)
    assert more.false_alarms_asked == 3.0
    assert score_events(footage, more.rule, **OPTIONS).false_alarms_per_minute <= 3.0
    assert choose_again(fixed_decision(0.4, "there"), 3.0) is None


def test_where_nothing_can_be_caught_nothing_is_chosen():
    calm = [Footage(np.zeros(900), np.linspace(0, 1, 900))]
    assert choose_decision(calm, 1.0, "there", **OPTIONS) is None


def test_a_stored_rule_that_makes_no_sense_is_refused():
    stored = fixed_decision(0.4, "there").model_dump()
    with pytest.raises(ValidationError, match="release"):
        Decision.model_validate(stored | {"release": 0.5})
    with pytest.raises(ValidationError, match="debounce"):
        Decision.model_validate(stored | {"debounce": 0})
