"""How long to wait before a lost camera is tried again."""

FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 10.0
GROWTH = 2.0
# A camera that held for so long was really back: its next loss starts with the shortest wait.
# One that comes and goes faster than that is tried ever less often.
STEADY_S = 10.0


class Retry:
    """Waits that grow with every failure, up to a limit, and never end."""

    def __init__(self) -> None:
        """Starts with the shortest wait."""
        self._next_s = FIRST_WAIT_S

    def next_wait_s(self, held_s: float = 0.0) -> float:
        """Seconds to wait before the next attempt.

        Args:
            held_s: For how long the connection that is lost now gave pictures.
        """
        wait_s = FIRST_WAIT_S if held_s >= STEADY_S else self._next_s
        self._next_s = min(wait_s * GROWTH, LONGEST_WAIT_S)
        return wait_s
