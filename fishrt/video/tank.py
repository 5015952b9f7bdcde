"""The simulated tank as a video source: `demo`, or `demo:SEED`."""

from fishrt.errors import SourceError
from fishrt.simulate import SimulatedTank, TankSpec
from fishrt.video.source import SourceFrame, SourceInfo, SourceKind

WIDTH, HEIGHT = 320, 240


class DemoTank:
    """An endless source of simulated pictures, as fast as they are asked for.

    `info` and `ended_early` are as `VideoSource` says. The timestamps are media time;
    pacing them to the clock is the live loop's job.
    """

    def __init__(self, name: str, seed: str | None, fps: float) -> None:
        """Fills the tank.

        Args:
            name: The source as the user named it.
            seed: The text after `demo:`, or None for seed 0.
            fps: Frames a second.

        Raises:
            SourceError: If the seed is no whole number, or the frame rate cannot be simulated.
        """
        if seed is not None and not (seed.isascii() and seed.isdigit()):
            raise SourceError(f"{name}: after demo: comes a whole number, such as demo:7.")
        try:
            spec = TankSpec(seed=int(seed or 0), width=WIDTH, height=HEIGHT, fps=fps)
        except ValueError as error:
            raise SourceError(f"the tank {name} cannot be simulated: {error}.") from error
        self._tank = SimulatedTank(spec)
        self._index = 0
        self.info = SourceInfo(SourceKind.DEMO, name, WIDTH, HEIGHT, fps, None)
        self.ended_early = None  # the tank has no end

    def read(self) -> SourceFrame:
        """The next picture, uint8 `(240, 320)`; there always is one."""
        image = self._tank.render(self._tank.advance())
        self._index += 1
        return SourceFrame(image, self._index - 1, self._timestamp(self._index - 1))

    def skip(self) -> float:
        """Lets the fish swim on to the next picture without drawing this one."""
        self._tank.advance()
        self._index += 1
        return self._timestamp(self._index - 1)

    def _timestamp(self, index: int) -> float:
        return index / (self.info.declared_fps or 30.0)

    def close(self) -> None:
        """Does nothing: there is no file or device to let go of."""
