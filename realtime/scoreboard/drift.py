"""Drift: whether the picture still looks like the training footage."""

import enum
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fishrt.footage_reference import (
    LONG_BLOCKS,
    SHORT_BLOCKS,
    FootageReference,
    UsualRange,
    make_reference,
)
from fishrt.look import BLOCK_SECONDS, Look, LookMeter, light_elsewhere, mean_look
from realtime.scoreboard.snapshot import DriftFigure

LEVEL_SHARE, LEVEL_MARGIN = 0.15, 0.1
"""How far beyond the usual range brightness and contrast may lie: by this share, and by this many
grey levels in any case."""
BACKGROUND_MARGIN = 1.0
"""The same for the background, which is nearly black where it was removed."""
MOTION_FACTOR = 2.0
"""Motion energy may be so many times less or more: animals have livelier and calmer hours."""
ELSEWHERE_FACTOR, ELSEWHERE_LEAST = 1.75, 0.15
"""The share of light that lies elsewhere may be so many times the largest one in training.

Measured on the demo tank: 0.096 in training, at most 0.131 in five other tanks, 0.206 where the
camera was moved by a tenth of the width; docs/scoreboard.md has all figures."""
ELSEWHERE_LEAST_OF_RUN = 0.2
"""The same where three minutes of the run itself are the reference, which even out less: at most
0.155 in five tanks."""
RETURN_SHARE = 0.8
"""A warning ends when the figure is within this share of the margin (hysteresis)."""


class Measure(enum.StrEnum):
    """What is compared."""

    BRIGHTNESS = "brightness"
    CONTRAST = "contrast"
    BACKGROUND = "background"
    MOTION = "motion energy"
    LAYOUT = "light elsewhere"


class ReferenceFrom(enum.StrEnum):
    """What it is compared with."""

    TRAINING = "training"
    RUN = "run"


@dataclass(frozen=True)
class Limits:
    """What is still usual.

    Attributes:
        middle: The usual value.
        low: The lowest and
        high: the highest value that is usual.
        margin_low: How far below `low` a value may lie,
        margin_high: and how far above `high`.
    """

    middle: float
    low: float
    high: float
    margin_low: float
    margin_high: float

    def exceeded(self, value: float, share: float = 1.0) -> bool:
        """Whether a value lies beyond this share of the margins."""
        below = self.low - share * self.margin_low
        above = self.high + share * self.margin_high
        return not below <= value <= above


def limits_of(reference: FootageReference, least_elsewhere: float) -> dict[Measure, Limits]:
    """The limits that follow from a reference.

    Args:
        reference: What is compared with.
        least_elsewhere: Share of light that may lie elsewhere in any case.
    """
    highest = max(ELSEWHERE_FACTOR * reference.elsewhere, least_elsewhere)
    motion = reference.motion_energy
    return {
        Measure.BRIGHTNESS: _level(reference.brightness, LEVEL_MARGIN),
        Measure.CONTRAST: _level(reference.contrast, LEVEL_MARGIN),
        Measure.BACKGROUND: _level(reference.background, BACKGROUND_MARGIN),
        Measure.MOTION: Limits(
            motion.middle,
            motion.low,
            motion.high,
            motion.low * (1.0 - 1.0 / MOTION_FACTOR),
            motion.high * (MOTION_FACTOR - 1.0),
        ),
        Measure.LAYOUT: Limits(
            0.0, 0.0, reference.elsewhere, 0.0, max(highest - reference.elsewhere, 0.0)
        ),
    }


def _level(usual: UsualRange, least: float) -> Limits:
    return Limits(
        usual.middle,
        usual.low,
        usual.high,
        max(LEVEL_SHARE * usual.low, least),
        max(LEVEL_SHARE * usual.high, least),
    )


@dataclass(frozen=True)
class DriftChange:
    """A warning that begins, or the end of all warnings.

    Attributes:
        text: One sentence: what is wrong and what to do, or that all is as it was.
        values: The figures that are newly outside, by name; empty at the end.
    """

    text: str
    values: Mapping[str, float]


class DriftWatch:
    """Compares frames with a reference every ten seconds; memory and work per frame are constant.

    Without a reference the first three minutes of the run take its place.
    """

    def __init__(self, reference: FootageReference | None, fps: float) -> None:
        """Begins before the first frame.

        Args:
            reference: What the training footage looked like, or None.
            fps: Frames a second.
        """
        self.compared_with = ReferenceFrom.RUN if reference is None else ReferenceFrom.TRAINING
        self._meter = LookMeter(fps)
        self._looks: deque[Look] = deque(maxlen=LONG_BLOCKS)
        self._limits: dict[Measure, Limits] = {}
        self._layout: NDArray[np.float64] | None = None
        self._values: dict[Measure, float] = {}
        self._outside: frozenset[Measure] = frozenset()
        if reference is not None:
            self._compare_with(reference, ELSEWHERE_LEAST)

    def _compare_with(self, reference: FootageReference, least_elsewhere: float) -> None:
        self._limits = limits_of(reference, least_elsewhere)
        self._layout = np.array(reference.layout)

    def push(self, frame: NDArray[np.uint8], change: float | None) -> DriftChange | None:
        """Takes the next frame.

        Args:
            frame: uint8 `(height, width)`, preprocessed; left as it is.
            change: Motion energy from the frame before, or None where there is none.

        Returns:
            What changed, or None.
        """
        look = self._meter.push(frame, change)
        if look is None:
            return None
        self._looks.append(look)
        if self._layout is not None:
            return self._judge(self._layout)
        if len(self._looks) == LONG_BLOCKS:
            own = make_reference([list(self._looks)], LONG_BLOCKS * BLOCK_SECONDS / 60.0)
            if own is not None:
                self._compare_with(own, ELSEWHERE_LEAST_OF_RUN)
        return None

    def _judge(self, layout: NDArray[np.float64]) -> DriftChange | None:
        looks = list(self._looks)
        if len(looks) < SHORT_BLOCKS:
            return None
        now = mean_look(looks[-SHORT_BLOCKS:])
        self._values = {
            Measure.BRIGHTNESS: now.brightness,
            Measure.CONTRAST: now.contrast,
            Measure.BACKGROUND: now.background,
            Measure.MOTION: now.motion_energy,
        }
        if len(looks) == LONG_BLOCKS:
            self._values[Measure.LAYOUT] = light_elsewhere(mean_look(looks).layout, layout)
        before = self._outside
        self._outside = frozenset(
            measure
            for measure, value in self._values.items()
            if self._limits[measure].exceeded(value, RETURN_SHARE if measure in before else 1.0)
        )
        fresh = [measure for measure in Measure if measure in self._outside - before]
        if fresh:
            return DriftChange(self._sentence(fresh), {m.value: self._values[m] for m in fresh})
        if before and not self._outside:
            return DriftChange(f"the picture looks like {self._reference_text} again", {})
        return None

    @property
    def _reference_text(self) -> str:
        return IN_WORDS[self.compared_with]

    @property
    def warning(self) -> str | None:
        """What is wrong with the picture now and what to do, or None."""
        wrong = [measure for measure in Measure if measure in self._outside]
        return self._sentence(wrong) if wrong else None

    def figures(self) -> tuple[DriftFigure, ...]:
        """How the picture compares; empty before the first minute."""
        return tuple(
            DriftFigure(
                name=measure.value,
                now=value,
                reference=(limits := self._limits[measure]).middle,
                low=limits.low - limits.margin_low,
                high=limits.high + limits.margin_high,
                outside=measure in self._outside,
            )
            for measure, value in self._values.items()
        )

    def _sentence(self, wrong: Sequence[Measure]) -> str:
        parts = []
        for measure in wrong:
            value, limits = self._values[measure], self._limits[measure]
            words = WORDS[measure]
            more = words.more if value > limits.high else words.less
            unit = 100.0 if measure is Measure.LAYOUT else 1.0
            usual = f"{limits.low * unit:.3g} to {limits.high * unit:.3g}"
            parts.append(f"{more} ({value * unit:.3g} {words.unit}, there {usual}): {words.do}")
        return f"unlike {self._reference_text}: {'; '.join(parts)}; forecasts may be wrong"


@dataclass(frozen=True)
class _Words:
    """How a figure is told to a person."""

    more: str
    less: str
    unit: str
    do: str


IN_WORDS = {
    ReferenceFrom.TRAINING: "the training footage",
    ReferenceFrom.RUN: "the start of this run",
}
WORDS = {
    Measure.BRIGHTNESS: _Words(
        "the picture is brighter",
        "the picture is darker",
        "grey levels",
        "check lamps, exposure, gain and polarity",
    ),
    Measure.CONTRAST: _Words(
        "the picture has more contrast",
        "the picture has less contrast",
        "grey levels",
        "check focus, lens and light",
    ),
    Measure.BACKGROUND: _Words(
        "what stands still is brighter",
        "what stands still is darker",
        "grey levels",
        "look for reflections and things in the tank, or make the background picture anew",
    ),
    Measure.MOTION: _Words(
        "there is more motion",
        "there is less motion",
        "of full scale",
        "look at the animals, and for flicker or a shaking camera",
    ),
    Measure.LAYOUT: _Words(
        "light lies elsewhere in the picture",
        "light lies elsewhere in the picture",
        "%",
        "see whether the camera was moved or something covers the tank",
    ),
}
