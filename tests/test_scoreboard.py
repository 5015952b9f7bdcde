"""What the live loop scores of itself is what the offline scores say of the same frames."""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import brier_score_loss, roc_auc_score
from tiny_bundle import make_tiny_bundle

from fishrt.bundle import Bundle
from fishrt.clip import ClipGeometry
from fishrt.events import DecisionRule, Footage, score_events
from fishrt.motion import LabelRule, burst_labels, motion_energy
from fishrt.motion_baselines import PAST, algorithmic_baseline
from fishrt.preprocess import Preprocessor
from fishrt.simulate import SimulatedTank, TankSpec
from fishrt.video import SourceFrame, SourceInfo, SourceKind
from fishrt.video.resample import Resampler
from realtime.capture import Capture, Pace
from realtime.event import Event, EventKind
from realtime.forecast import Forecast, Reason
from realtime.loop import LiveLoop
from realtime.modes import open_forecaster
from realtime.pipeline import FramePipeline
from realtime.scoreboard.scoreboard import NO_REFERENCE, Scoreboard
from realtime.scoreboard.skill import bin_of
from realtime.scoreboard.snapshot import EventFigures, ScoreSnapshot, SkillFigures
from realtime.scoreboard.wording import score_lines, score_parts
from realtime.sinks.outlets import Outlets
from realtime.sinks.scores import ScoreSink
from realtime.stats import LiveStats
from realtime.update import Truth, Update

FPS = 30.0
GEOMETRY = ClipGeometry(steps=5, frames_per_step=24, height=15, width=20)
LABELS = LabelRule()
GAP = (700, 800)  # frames of the recording that the live loop does not get
COUNT = 1800
AUC_TOLERANCE = 2e-3
"""Measured 9e-4: the forecasts of this random network are so alike that many share a bin; see
test_scoreboard_skill.py for forecasts that differ."""


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return make_tiny_bundle(tmp_path_factory.mktemp("bundles") / "tiny", GEOMETRY)


@pytest.fixture(scope="module")
def frames() -> NDArray[np.uint8]:
    tank = SimulatedTank(TankSpec(seed=3, width=64, height=48))
    preprocess = Preprocessor(GEOMETRY.height, GEOMETRY.width)
    return np.stack([preprocess(tank.render(tank.advance())) for _ in range(COUNT)])


class Replay:
    """Gives the frames of a recording at their times, some left out."""

    def __init__(self, frames: NDArray[np.uint8]) -> None:
        self.info = SourceInfo(
            SourceKind.FILE, "replay", GEOMETRY.width, GEOMETRY.height, FPS, None
        )
        self.ended_early: str | None = None
        self._frames = frames
        self._left = [t for t in range(len(frames)) if not GAP[0] <= t < GAP[1]]

    def read(self) -> SourceFrame | None:
        if not self._left:
            return None
        t = self._left.pop(0)
        return SourceFrame(self._frames[t], t, t / FPS)

    def close(self) -> None:
        pass


class Kept:
    """Keeps what sinks are given."""

    def __init__(self) -> None:
        self.forecasts: list[Forecast] = []
        self.truths: list[Truth] = []
        self.events: list[Event] = []

    def write(self, update: Update) -> None:
        self.forecasts.append(update.forecast)
        if update.truth is not None:
            self.truths.append(update.truth)

    def event(self, event: Event) -> None:
        self.events.append(event)

    def close(self) -> None:
        pass


@dataclasses.dataclass(frozen=True)
class Ran:
    kept: Kept
    scores: ScoreSnapshot
    rule: DecisionRule
    every: int


@pytest.fixture(scope="module", params=[1, 3])
def ran(request: pytest.FixtureRequest, bundle: Bundle, frames: NDArray[np.uint8]) -> Ran:
    """The live loop over all frames but a gap, with a rule that alarms now and then."""
    every = request.param
    said = run(bundle, frames, every, DecisionRule(1.0, 1.0)).kept.forecasts
    known = [each.probability for each in said if each.probability is not None]
    threshold = float(np.quantile(known, 0.9))
    return run(bundle, frames, every, DecisionRule(threshold, 0.99 * threshold, 3, 30))


def run(bundle: Bundle, frames: NDArray[np.uint8], every: int, rule: DecisionRule) -> Ran:
    kept, scoreboard = Kept(), Scoreboard(LABELS, FPS)
    capture = Capture(Replay(frames), Pace.AS_FAST_AS_POSSIBLE)
    capture.start()
    loop = LiveLoop(
        capture,
        Resampler(FPS, FPS),
        FramePipeline(
            Preprocessor(GEOMETRY.height, GEOMETRY.width),
            open_forecaster(bundle, bundle.metadata.trained_for, every, 1),
        ),
        Outlets([kept]),
        LiveStats(FPS, GEOMETRY.frames),
        rule,
        scoreboard,
    )
    loop.run(lambda: False)
    capture.stop()
    return Ran(kept, scoreboard.snapshot(), rule, every)


def offline(ran: Ran, frames: NDArray[np.uint8]) -> list[SimpleNamespace]:
    """Labels, forecasts and baseline of the frames before and after the gap, from the frames."""
    said = {each.frame: each.probability for each in ran.kept.forecasts if each.valid}
    parts = []
    for first, stop in ((0, GAP[0]), (GAP[1], COUNT)):
        energy = motion_energy(frames[first:stop])
        labels = burst_labels(energy, LABELS)
        p = np.array([said.get(first + t, np.nan) for t in range(len(labels))], float)
        baseline = np.full(len(labels), np.nan)
        baseline[PAST:] = algorithmic_baseline(energy, np.arange(PAST, len(labels)))
        parts.append(SimpleNamespace(first=first, labels=labels, p=p, baseline=baseline))
    return parts


def held(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """Each forecast held until the next, as `ScoredFrames.footage` does."""
    place = np.maximum.accumulate(np.where(np.isfinite(p), np.arange(len(p)), 0))
    return p[place]


def test_the_live_scores_are_those_of_the_recording(ran: Ran, frames: NDArray[np.uint8]) -> None:
    parts = offline(ran, frames)
    labels, p, baseline = (
        np.concatenate([getattr(part, name) for part in parts])
        for name in ("labels", "p", "baseline")
    )
    counts = np.isfinite(p)
    assert np.isfinite(baseline[counts]).all()
    assert counts.sum() > 1300 / ran.every
    got = ran.scores.overall
    assert (got.labelled, got.positives) == (counts.sum(), labels[counts].sum())
    assert got.positives > 50 / ran.every
    for auc, probabilities in ((got.auc, p), (got.baseline_auc, baseline)):
        binned = [bin_of(each) for each in probabilities[counts].tolist()]
        assert auc == pytest.approx(roc_auc_score(labels[counts], binned), abs=1e-12)
        exact = roc_auc_score(labels[counts], probabilities[counts])
        assert auc == pytest.approx(exact, abs=AUC_TOLERANCE)
    assert got.brier == pytest.approx(brier_score_loss(labels[counts], p[counts]))
    assert got.skill_baseline == pytest.approx(
        1 - got.brier / brier_score_loss(labels[counts], baseline[counts])
    )
    assert ran.scores.rolling == got  # the run is shorter than the window
    assert ran.scores.coverage == pytest.approx(ran.scores.forecasts / len(ran.kept.forecasts))


def test_every_label_comes_true_where_the_recording_has_it(
    ran: Ran, frames: NDArray[np.uint8]
) -> None:
    expected = [
        Truth(part.first + t, int(label))
        for part in offline(ran, frames)
        for t, label in enumerate(part.labels)
    ]
    assert ran.kept.truths == expected


def test_events_are_those_of_the_log(ran: Ran, frames: NDArray[np.uint8]) -> None:
    footage = [Footage(part.labels, held(part.p)) for part in offline(ran, frames)]
    expected = score_events(footage, ran.rule, horizon=LABELS.horizon, fps=FPS)
    got = ran.scores.events
    assert (got.bursts, got.caught) == (expected.bursts, expected.caught)
    assert (got.alarms, got.false_alarms) == (expected.alarms, expected.false_alarms)
    assert got.bursts > 2
    assert got.alarms > 2
    assert got.false_alarms_per_minute == pytest.approx(expected.false_alarms_per_minute)
    told = [event for event in ran.kept.events if event.kind is EventKind.BURST]
    assert len(told) == expected.bursts
    leads = [event.values["lead_s"] for event in told if event.values["caught"]]
    assert leads == pytest.approx(list(expected.lead_seconds))
    false = [event for event in ran.kept.events if event.kind is EventKind.FALSE_ALARM]
    assert len(false) == expected.false_alarms
    alarms = {event.frame for event in ran.kept.events if event.kind is EventKind.ALARM_START}
    assert {event.frame for event in false} <= alarms


def test_a_bundle_without_a_reference_says_so_once(ran: Ran) -> None:
    said = [event.text for event in ran.kept.events if event.kind is EventKind.WARNING]
    assert said == [NO_REFERENCE]
    assert (ran.scores.climatology_from, ran.scores.drift_from) == ("run", "run")


# -- what counts -------------------------------------------------------------------------------

CALM = Forecast(0, 0, 0.0, 1e9, 1e9, 1.0, 0.2, False, True, None, False)


def pushed(scoreboard: Scoreboard, forecasts: Sequence[Forecast]) -> Scoreboard:
    frame = np.zeros((4, 6), np.uint8)
    for forecast in forecasts:
        scoreboard.push(forecast, frame)
    return scoreboard


def run_of(count: int, **changes: object) -> list[Forecast]:
    return [
        dataclasses.replace(CALM, frame=at, change=0.001 if at else None, **changes)  # type: ignore[arg-type]
        for at in range(count)
    ]


@pytest.mark.parametrize("reason", [Reason.LATE, Reason.SKIPPED, Reason.GAP])
def test_forecasts_that_are_withheld_do_not_count(reason: Reason) -> None:
    rule = LabelRule(horizon=5)
    valid, withheld = run_of(20), run_of(20, valid=False, reason=reason, burst=None)
    mixed = [withheld[at] if at % 4 == 0 else valid[at] for at in range(20)]
    scores = pushed(Scoreboard(rule, FPS), mixed).snapshot()
    known = 20 - 1 - 5
    assert scores.overall.labelled == sum(at % 4 != 0 for at in range(known))
    assert (scores.frames, scores.forecasts, scores.coverage) == (20, 15, 0.75)
    assert scores.delay_s == pytest.approx(6 / FPS)


@pytest.mark.parametrize(
    ("late", "figures", "text", "values"),
    [
        (range(0), (1, 1, 0), "burst: missed", {"caught": 0.0}),
        (
            range(40, 140),
            (0, 0, 1),
            "burst: not covered by forecasts, not counted",
            {"covered": 0.0},
        ),
    ],
)
def test_a_burst_while_forecasts_are_withheld_is_not_missed(
    late: range, figures: tuple[int, int, int], text: str, values: dict[str, float]
) -> None:
    forecasts = run_of(250)
    for at in late:
        forecasts[at] = dataclasses.replace(forecasts[at], valid=False, reason=Reason.LATE)
    for at in range(100, 130):
        forecasts[at] = dataclasses.replace(forecasts[at], change=0.05)
    scoreboard, frame = Scoreboard(LABELS, FPS), np.zeros((4, 6), np.uint8)
    told = [event for each in forecasts for event in scoreboard.push(each, frame).events]
    bursts = [event for event in told if event.kind is EventKind.BURST]
    assert [(event.text, event.values) for event in bursts] == [(text, values)]
    got = scoreboard.snapshot().events
    assert (got.bursts, got.missed, got.uncovered) == figures


def test_the_window_rolls() -> None:
    rule = LabelRule(horizon=5)
    scores = pushed(Scoreboard(rule, FPS, window_minutes=10 / FPS / 60), run_of(50)).snapshot()
    assert scores.overall.labelled == 50 - 1 - 5
    assert scores.rolling.labelled == 10
    assert scores.rolling.minutes == pytest.approx(10 / FPS / 60)


def test_after_a_long_outage_the_window_is_about_what_is_left_in_it() -> None:
    """Of a window of 600 frames 540 are lost, and the 60 after them are all that is in it."""
    scoreboard = Scoreboard(LabelRule(horizon=5), FPS, window_minutes=600 / FPS / 60)
    pushed(scoreboard, run_of(700))
    assert scoreboard.snapshot().rolling.labelled == 600
    after = [
        dataclasses.replace(each, frame=each.frame + 700 + 540, valid=each.frame >= 10)
        for each in run_of(66)
    ]
    rolling = pushed(scoreboard, after).snapshot().rolling
    assert rolling.labelled == 60 - 10
    assert rolling.minutes == pytest.approx(50 / FPS / 60)
    assert scoreboard.snapshot().overall.minutes == pytest.approx((700 - 6 + 50) / FPS / 60)


def test_a_forecast_that_stands_for_several_frames_is_minutes_of_them_all() -> None:
    skipped = run_of(50, valid=False, reason=Reason.SKIPPED)
    every_fifth = [each if each.frame % 5 == 0 else skipped[each.frame] for each in run_of(50)]
    rolling = pushed(Scoreboard(LabelRule(horizon=5), FPS), every_fifth).snapshot().rolling
    assert (rolling.labelled, rolling.minutes) == (9, pytest.approx(44 / FPS / 60))


def test_climatology_is_that_of_the_training_where_it_is_known() -> None:
    own = pushed(Scoreboard(LabelRule(5), FPS, climatology=0.1), run_of(20)).snapshot()
    assert (own.climatology, own.climatology_from) == (0.1, "training")
    # no label is a burst, so always saying 0.1 has a Brier score of 0.01, and ours is 0.04
    assert own.overall.skill_climatology == pytest.approx(1 - 0.04 / 0.01)


# -- how it is shown ---------------------------------------------------------------------------


def test_the_status_tells_what_is_known_by_now(ran: Ran) -> None:
    assert score_parts(ScoreSnapshot()) == []
    assert score_lines(ScoreSnapshot()) == []
    events = ran.scores.events
    rolling = ran.scores.rolling
    assert rolling.enough
    assert score_parts(ran.scores) == [
        f"AUC {rolling.auc:.2f} {rolling.minutes:.1f} min",
        f"{events.caught}/{events.bursts} bursts",
        f"{events.false_alarms_per_minute:.1f} false/min",
    ]
    first, second = score_lines(ran.scores)
    assert f"AUC {ran.scores.overall.auc:.3f}; motion baseline (published rule)" in first
    assert second.startswith(f"{events.caught} of {events.bursts} bursts announced")


@pytest.mark.parametrize(
    ("figures", "part"),
    [
        (SkillFigures(auc=1.0, minutes=0.4, positives=9), None),
        (SkillFigures(auc=0.941, minutes=0.4, enough=True), "AUC 0.94 0.4 min"),
        (SkillFigures(auc=0.941, minutes=9.94, enough=True), "AUC 0.94 9.9 min"),
        (SkillFigures(auc=0.941, minutes=9.96, enough=True), "AUC 0.94 10 min"),
        (SkillFigures(minutes=3.0, enough=True), None),
    ],
)
def test_the_status_tells_an_auc_of_enough_forecasts(
    figures: SkillFigures, part: str | None
) -> None:
    assert score_parts(ScoreSnapshot(rolling=figures)) == ([part] if part else [])


@pytest.mark.parametrize(
    ("bursts", "caught", "uncovered", "line"),
    [
        (1, 1, 0, "1 of 1 burst announced, 0.5 s ahead"),
        (1, 0, 0, "0 of 1 burst announced"),
        (3, 1, 1, "1 of 3 bursts announced, 0.5 s ahead; 1 more burst not covered by forecasts"),
        (3, 2, 0, "2 of 3 bursts announced, 0.5 s ahead in the median"),
        (9, 6, 2, "6 of 9 bursts announced, half of them 0.5 s ahead or more; 2 more bursts not"
         " covered by forecasts"),
    ],
)  # fmt: skip
def test_the_summary_words_one_few_and_many_bursts(
    bursts: int, caught: int, uncovered: int, line: str
) -> None:
    events = EventFigures(
        bursts=bursts, caught=caught, uncovered=uncovered, median_lead_s=0.5 if caught else None
    )
    overall = SkillFigures(labelled=100, positives=9, auc=1.0)
    first, second = score_lines(ScoreSnapshot(overall=overall, events=events))
    assert second == line
    assert first.endswith("a burst ahead at 9.0% of them, too few to say how good they were")


def test_the_log_of_scores_has_a_line_now_and_then_and_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "scores.jsonl"
    scoreboard = Scoreboard(LabelRule(5), FPS)
    sink = ScoreSink(str(path), scoreboard.snapshot, 10)
    frame = np.zeros((4, 6), np.uint8)
    for forecast in run_of(25):
        scoreboard.push(forecast, frame)
        line = sink.take(Update(forecast, frame, frame))
        if line is not None:
            sink.write(line)
    sink.close()
    sink.close()
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["frame"] for line in lines] == [10, 20, 24]
    assert [line["overall"]["labelled"] for line in lines] == [5, 15, 19]
    assert set(lines[0]) == {
        "frame",
        "time",
        *(field.name for field in dataclasses.fields(ScoreSnapshot)),
    }
