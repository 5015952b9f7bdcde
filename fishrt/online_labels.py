"""Burst labels while the footage comes in: one motion energy at a time, the horizon late."""

from collections import deque
from typing import Generic, TypeVar

from fishrt.motion import LabelRule

_Item = TypeVar("_Item")


class OnlineLabels:
    """Gives the label of frame t when m[t + horizon] arrives: the numbers of `burst_labels`.

    Constant work and memory per frame: minimum and maximum of the sliding window are kept in
    two monotonic queues (Lemire, "Streaming maximum-minimum filter", 2006).
    """

    def __init__(self, rule: LabelRule) -> None:
        """Starts before the first motion energy.

        Args:
            rule: Horizon h, depth b and threshold c.
        """
        self._rule = rule
        self._window: deque[float] = deque(maxlen=rule.horizon + 1)
        self._low: deque[tuple[int, float]] = deque()
        self._high: deque[tuple[int, float]] = deque()
        self.reset()

    @property
    def delay(self) -> int:
        """How many frames late a label comes: the horizon."""
        return self._rule.horizon

    def push(self, energy: float) -> int | None:
        """Takes m[t].

        Args:
            energy: Motion energy of the next frame, as a share of full scale.

        Returns:
            The label (0 or 1) of frame t - horizon, or None for the first `horizon` calls.
        """
        self._index += 1
        self._window.append(energy)
        while self._low and self._low[-1][1] >= energy:
            self._low.pop()
        while self._high and self._high[-1][1] <= energy:
            self._high.pop()
        self._low.append((self._index, energy))
        self._high.append((self._index, energy))
        oldest = self._index - self._rule.horizon
        if self._low[0][0] < oldest:
            self._low.popleft()
        if self._high[0][0] < oldest:
            self._high.popleft()
        if oldest < 0:
            return None
        low, span = self._low[0][1], self._high[0][1] - self._low[0][1]
        calm_now = self._window[0] <= low + self._rule.depth * span
        return int(span >= self._rule.threshold and calm_now)

    def reset(self) -> None:
        """Forgets the past, as at a gap in the footage."""
        for queue in (self._window, self._low, self._high):
            queue.clear()
        self._index = -1


class LabelledLater(Generic[_Item]):
    """Keeps what was said at a frame until the label of that frame is known.

    The label of frame t needs m[t .. t + horizon], and m[t + horizon] is known with frame
    t + horizon + 1. Constant work and memory per frame.
    """

    def __init__(self, rule: LabelRule) -> None:
        """Begins before the first frame.

        Args:
            rule: The label rule.
        """
        self._labels = OnlineLabels(rule)
        self._waiting: deque[_Item] = deque()

    @property
    def delay(self) -> int:
        """How many frames after its own frame a label is known."""
        return self._labels.delay + 1

    def push(self, energy: float | None, item: _Item) -> tuple[int, _Item] | None:
        """Takes the next frame t.

        Args:
            energy: m[t - 1], the change from the frame before to this one; None where this frame
                is the first or follows a gap, which begins anew.
            item: What is to be kept with frame t.

        Returns:
            The label (0 or 1) of frame t - 1 - horizon and what was kept with it, or None while
            there is none.
        """
        label = None
        if energy is None:
            self._labels.reset()
            self._waiting.clear()
        else:
            label = self._labels.push(energy)
        said = None if label is None else (label, self._waiting.popleft())
        self._waiting.append(item)
        return said
