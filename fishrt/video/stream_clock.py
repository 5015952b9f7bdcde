"""The sender's own stamps of a network stream, brought onto our clock."""

from collections import deque

WINDOW_S = 10.0  # over which the fastest way through the network is sought
TRIAL_S = 3.0  # two stretches of this length are compared before the stamps are trusted
# The sender's clock may run so much faster or slower than ours; quartz is a thousand times better,
# and stamps that are only counted at a nominal rate (25 for a camera of 30) are far worse.
RATE_TOLERANCE = 0.01
LONGEST_DELAY_S = 1.0  # a picture that comes later than that after its stamp: they do not belong


class StreamClock:
    """Times pictures by when they were sent, without the jitter of network and decoder.

    A picture arrives some delay after it was sent. The least delay of the last ten seconds is
    taken for that of a free way, and what comes later than that was held up: its time is its own
    stamp plus the least delay. Stamps count once they have kept step with our clock for two
    stretches of three seconds, and no longer when they do not grow or are more than a second off.

    Attributes:
        age_s: How old the last picture was when it came, as far as is known.
    """

    def __init__(self) -> None:
        """Starts on trial."""
        self.age_s = 0.0
        self._sent_before = -float("inf")
        self._restart()

    @property
    def trusted(self) -> bool:
        """Whether the sender's stamps count at the moment."""
        return self._trusted

    def stamp(self, sent: float, arrived: float) -> float:
        """The time to count with.

        Args:
            sent: The sender's stamp, in seconds on its own clock.
            arrived: When the picture came, in seconds on ours.
        """
        grows, self._sent_before = sent > self._sent_before, sent
        if not grows:
            self._restart()
            return arrived
        delay = arrived - sent
        self._note(delay, arrived)
        if not self._trusted:
            self._try_out(delay, arrived)
        elif delay - self._least() > LONGEST_DELAY_S:
            self._restart()
        return sent + self._least() if self._trusted else arrived

    def _restart(self) -> None:
        self._trusted = False
        self._delays: deque[tuple[float, float]] = deque()  # rising, so that the first is the least
        self._trial_ends: float | None = None
        self._trial_least = float("inf")
        self._least_before: float | None = None

    def _note(self, delay: float, arrived: float) -> None:
        while self._delays and self._delays[-1][1] >= delay:
            self._delays.pop()
        self._delays.append((arrived, delay))
        while arrived - self._delays[0][0] > WINDOW_S:
            self._delays.popleft()

    def _least(self) -> float:
        return self._delays[0][1] if self._delays else 0.0

    def _try_out(self, delay: float, arrived: float) -> None:
        """Compares the least delays of two stretches; those of clocks in step are alike."""
        if self._trial_ends is None:
            self._trial_ends = arrived + TRIAL_S
        self._trial_least = min(self._trial_least, delay)
        if arrived < self._trial_ends:
            return
        before, self._least_before = self._least_before, self._trial_least
        self._trial_ends, self._trial_least = arrived + TRIAL_S, float("inf")
        if before is not None and abs(before - self._least_before) <= RATE_TOLERANCE * TRIAL_S:
            self._trusted = True
