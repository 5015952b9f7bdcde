"""Alarms and bursts while they happen: the counts of `fishrt.events.match`, frame by frame."""

from collections import Counter, deque
from dataclasses import dataclass

from fishrt.events import MERGE
from realtime.scoreboard.snapshot import BurstOutcome, EventFigures

RECENT = 8
"""Bursts that are shown one by one."""


@dataclass(frozen=True)
class FalseAlarm:
    """An alarm that no burst followed.

    Attributes:
        frame: Where it started, at the model's rate.
    """

    frame: int


@dataclass(frozen=True)
class UncoveredBurst:
    """A burst that no alarm could have caught, as forecasts were withheld or had only begun.

    Attributes:
        frame: Its onset, at the model's rate.
    """

    frame: int


Settled = BurstOutcome | UncoveredBurst | FalseAlarm


class EventTally:
    """Matches alarms with bursts as labels become known.

    After every label the counts are those that `fishrt.events.match` gives for all footage up to
    that label, one stretch between gaps at a time. Work and memory per frame are constant.
    """

    def __init__(self, horizon: int, fps: float) -> None:
        """Begins before the first frame.

        Args:
            horizon: Frames that a label looks ahead.
            fps: Frames a second.
        """
        self._horizon = horizon
        self._fps = fps
        self._known = self._bursts = self._uncovered = self._right = self._false = 0
        self._leads: Counter[int] = Counter()
        self._recent: deque[BurstOutcome] = deque(maxlen=RECENT)
        self._forget()

    def _forget(self) -> None:
        """Begins a stretch; all frames below are counted from its first one."""
        self._count = 0
        self._begin: int | None = None  # the first frame with a forecast
        self._latest = -1  # the last one
        self._covered_to = -1  # the last one up to the onset of the burst that is going on
        self._announced: int | None = None  # the first label of the burst that is going on
        self._last = 0  # and its last label so far
        self._starts: deque[int] = deque()  # alarms that the next burst could still reach back to
        self._ahead: list[int] = []  # those that the burst that is going on can reach back to
        self._first_within: int | None = None  # the first alarm after its first label
        self._young: deque[tuple[int, bool]] = deque()  # alarms not settled: frame, at a label
        # alarms within the burst that is going on: right when it ends, or, where the footage ends
        # before, false if no label stands at them
        self._within = self._within_unlabelled = 0

    def gap(self) -> None:
        """Ends the stretch: no alarm and no burst crosses a gap."""
        self._false += self._within_unlabelled
        self._forget()

    def push(self, frame: int, label: int, *, known: bool, alarm: bool) -> list[Settled]:
        """Takes the next label.

        Args:
            frame: The frame that it is about, at the model's rate.
            label: 0 or 1.
            known: Whether a forecast stood at that frame.
            alarm: Whether an alarm started at that frame.

        Returns:
            What is certain now: bursts, and false alarms.
        """
        at = self._count
        self._count += 1
        if known:
            self._known += 1
            self._begin = at if self._begin is None else self._begin
            self._latest = at
        if alarm:
            self._take_alarm(at, bool(label))
        settled: list[Settled] = []
        if label:
            self._take_label(at)
        if self._announced is not None:
            if at <= self._last + 1:
                self._covered_to = self._latest
            if at - self._last >= MERGE:
                settled += self._close(self._announced, frame - at)
        settled += self._age(frame - at)
        return settled

    def _take_alarm(self, at: int, labelled: bool) -> None:
        self._young.append((at, labelled))
        self._starts.append(at)
        if self._announced is not None and self._first_within is None:
            self._first_within = at

    def _take_label(self, at: int) -> None:
        if self._announced is None:
            self._announced = at
            self._ahead = [start for start in self._starts if start > at - self._horizon]
        self._last = at

    def _close(self, announced: int, offset: int) -> list[Settled]:
        """The burst is over: what it was to the alarms around it."""
        onset = self._last + 1
        opens = min(announced, onset - self._horizon)
        settled: list[Settled] = []
        while self._young and self._young[0][0] <= onset:
            start, _ = self._young.popleft()
            if start >= opens:
                self._right += 1
            else:
                self._false += 1
                settled.append(FalseAlarm(start + offset))
        self._right += self._within
        if self._begin is None or opens < self._begin or self._covered_to < opens:
            self._uncovered += 1
            settled.append(UncoveredBurst(onset + offset))
        else:
            reach = [*self._ahead, self._first_within]
            first = next((start for start in reach if start is not None and start >= opens), None)
            settled.append(self._outcome(onset, first, offset))
        self._announced = self._first_within = None
        self._ahead = []
        self._within = self._within_unlabelled = 0
        return settled

    def _outcome(self, onset: int, first: int | None, offset: int) -> BurstOutcome:
        self._bursts += 1
        lead = onset - first if first is not None and first <= onset else None
        if lead is not None:
            self._leads[lead] += 1
        seconds = None if lead is None else lead / self._fps
        outcome = BurstOutcome(onset + offset, lead is not None, seconds)
        self._recent.append(outcome)
        return outcome

    def _age(self, offset: int) -> list[FalseAlarm]:
        """Settles alarms whose horizon has passed, as far as the burst going on allows."""
        settled: list[FalseAlarm] = []
        told = self._count - MERGE - self._horizon
        while self._young and self._young[0][0] <= told:
            start, labelled = self._young.popleft()
            if self._announced is not None and start >= self._announced:
                self._within += 1
                self._within_unlabelled += not labelled
            else:
                self._false += 1
                settled.append(FalseAlarm(start + offset))
        while self._starts and self._starts[0] <= self._count - self._horizon:
            self._starts.popleft()
        return settled

    def figures(self) -> EventFigures:
        """The counts as they are now."""
        caught = self._leads.total()
        false = self._false + self._within_unlabelled
        minutes = self._known / self._fps / 60.0
        return EventFigures(
            bursts=self._bursts,
            caught=caught,
            missed=self._bursts - caught,
            uncovered=self._uncovered,
            share_caught=caught / self._bursts if self._bursts else None,
            alarms=self._right + false,
            false_alarms=false,
            false_alarms_per_minute=false / minutes if minutes else None,
            median_lead_s=self._median_lead(),
            recent=tuple(self._recent),
        )

    def _median_lead(self) -> float | None:
        count = self._leads.total()
        if not count:
            return None
        middle: list[int] = []
        passed = 0
        for lead in sorted(self._leads):
            passed += self._leads[lead]
            while len(middle) < 2 and passed > (count - 1 + len(middle)) // 2:
                middle.append(lead)
        return sum(middle) / 2 / self._fps
