"""The sender's own stamps of a network stream, brought onto our clock."""

from collections import deque

WINDOW_S = 10.0  # over which the fastest way through the network is sought
TRIAL_S = 3.0  # two stretches of this length are compared before the stamps are trusted
# The sender's clock may run so much faster or slower than ours; quartz is a thousand times better,
# and stamps that are only counted at a nominal rate (25 for a camera of 30) are far worse.
RATE_TOLERANCE = 0.01
LONGEST_DELAY_S = 1.0  # a picture that comes later than that after its stamp: they do not belong
# Unless it is the first of those that were held up: they come at least half as fast again as they
# were sent. Whether they do is seen after a second, and at once if they get later and later.
CATCH_UP_S, CATCH_UP_SHARE, GROWTH_S = 1.0, 0.5, 0.05
# A lag is still told for so long after the stamps ceased to count: a network that stalls throws
# them out of step, too. After that the clock is to blame, and says nothing about age.
LONGEST_DOUBT_S = 60.0
DRIFT_STRETCH_S = 10.0  # the least delays of two such stretches tell what the clocks drift between
DRIFT_STRETCHES = 60  # the mean over ten minutes moves by a tenth of a millisecond from jitter


class StreamLag:
    """How far a stream has fallen behind the best that it did since its connection began.

    Nothing but a lag makes the least delay jump and stay there. A steady growth may be the clocks:
    quartz is off by one in ten thousand at most, but a sender that counts its stamps at a nominal
    rate (30 for 29.97) by one in a thousand, and some by more. So the best is allowed to drift as
    the least delay has done over the last ten minutes, jumps aside, and at most by the tolerance
    at which stamps are trusted at all: a clock that is good enough to place pictures must not
    make them late. A lag that creeps as slowly as that, for minutes, is not seen.
    """

    def __init__(self, best: float, arrived: float) -> None:
        """Starts without a lag.

        Args:
            best: The least delay so far.
            arrived: When the last picture came.
        """
        self._best = best
        self._ends = arrived + DRIFT_STRETCH_S
        self._least = float("inf")
        self._least_before = best
        self._steps: deque[float] = deque(maxlen=DRIFT_STRETCHES)

    def push(self, delay: float, arrived: float) -> float:
        """The lag of the next picture in seconds."""
        self._least = min(self._least, delay)
        if arrived >= self._ends:
            self._allow_for_drift()
            self._ends = arrived + DRIFT_STRETCH_S
        self._best = min(self._best, delay)
        return delay - self._best

    def _allow_for_drift(self) -> None:
        step, self._least_before = self._least - self._least_before, self._least
        self._least = float("inf")
        if abs(step) <= RATE_TOLERANCE * DRIFT_STRETCH_S:
            self._steps.append(step)
        if self._steps:  # delays that shrink are a new best by themselves
            self._best += max(sum(self._steps) / len(self._steps), 0.0)


class StreamClock:
    """Times pictures by when they were sent, without the jitter of network and decoder.

    A picture arrives some delay after it was sent. The least delay of the last ten seconds is
    taken for that of a free way, and what comes later than that was held up: its time is its own
    stamp plus the least delay. Stamps count once they have kept step with our clock for two
    stretches of three seconds, and no longer when they do not grow or are more than a second off.
    What comes in a burst after a stall, of the network or of this machine, may be: it did arrive,
    and its stamps alone tell where it belongs.

    Attributes:
        age_s: How old the last picture was when it came, as far as is known: by how much it came
            later than the stream's least delay since the connection began.
    """

    def __init__(self) -> None:
        """Starts on trial."""
        self.age_s = 0.0
        self._lag: StreamLag | None = None  # None while the stamps say nothing
        self._in_step = 0.0  # when they counted last
        self._held_up: tuple[float, float] | None = None  # since when, and by how much at first
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
            self._lag, self.age_s = None, 0.0
            return arrived
        delay = arrived - sent
        self._note(delay, arrived)
        if not self._trusted:
            self._try_out(delay, arrived)
        elif self._is_off(delay - self._least(), arrived):
            self._restart()
        self.age_s = self._lag_of(delay, arrived)
        return sent + self._least() if self._trusted else arrived

    def _lag_of(self, delay: float, arrived: float) -> float:
        if self._trusted:
            self._in_step = arrived
            self._lag = self._lag or StreamLag(self._least(), arrived)
        elif arrived - self._in_step > LONGEST_DOUBT_S:
            self._lag = None
        return self._lag.push(delay, arrived) if self._lag else 0.0

    def _is_off(self, held_up_s: float, arrived: float) -> bool:
        if held_up_s <= LONGEST_DELAY_S:
            self._held_up = None
            return False
        if self._held_up is None:
            self._held_up = (arrived, held_up_s)
        since, at_first_s = self._held_up
        gained_s, waited_s = at_first_s - held_up_s, arrived - since
        return gained_s < -GROWTH_S or (
            waited_s > CATCH_UP_S and gained_s < CATCH_UP_SHARE * waited_s
        )

    def _restart(self) -> None:
        self._trusted = False
        self._held_up = None
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
