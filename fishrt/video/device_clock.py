"""The camera driver's own stamps, where they can be trusted."""

# The driver stamps a picture when it is exposed or has come in whole; it is taken over at most
# this long after that, unless its clock is not the one it claims to have.
LONGEST_DELAY_S = 1.0
# Rounding to milliseconds may put a stamp a little into the future.
ROUNDING_S = 0.002


class DeviceClock:
    """Chooses between the driver's stamp of a picture and the time at which it came.

    Video4Linux drivers stamp by the host's monotonic clock, nearer to the exposure and steadier
    than the moment at which a busy process takes the picture over. Some drivers have a clock of
    their own, or none. So a stamp counts only if it lies just before the picture's arrival and
    after the stamp before it; a clock that was wrong once is not asked again.

    Attributes:
        trusted: Whether the driver's stamps have been plausible so far.
        age_s: How old the last picture was when it came; 0 where its stamp does not count.
    """

    def __init__(self) -> None:
        """Starts with trust."""
        self.trusted = True
        self.age_s = 0.0
        self._before = -float("inf")

    def stamp(self, device: float, arrived: float) -> float:
        """The time to count with.

        Args:
            device: The driver's stamp, in seconds.
            arrived: When the picture came, in seconds on the monotonic clock.
        """
        delay = arrived - device
        self.trusted &= -ROUNDING_S <= delay <= LONGEST_DELAY_S and device > self._before
        self._before = device
        self.age_s = max(delay, 0.0) if self.trusted else 0.0
        return device if self.trusted else arrived
