"""Draws docs/images/burst.svg: motion energy of the simulated tank, and where its burst labels are.

    python docs/draw_burst.py > docs/images/burst.svg

Energy and labels come from the code that training learns from.
"""

import numpy as np

from fishrt.motion import LabelRule, burst_labels, motion_energy
from fishrt.simulate import SimulatedTank, TankSpec

SEED, FIRST, LAST, FPS = 5, 60, 360, 30
LEFT, TOP, WIDTH, HEIGHT = 70, 70, 780, 240
INK, LINE, AMBER, GREEN, PALE = "#263238", "#00796b", "#ffe0a3", "#2e7d32", "#cfd8dc"


def text(x: float, y: float, words: str, anchor: str = "start", colour: str = INK) -> str:
    """One line of text."""
    return f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}" fill="{colour}">{words}</text>'


def line(x1: float, y1: float, x2: float, y2: float, colour: str, extra: str = "") -> str:
    """A straight line."""
    ends = f'x1="{x1:.0f}" y1="{y1:.0f}" x2="{x2:.0f}" y2="{y2:.0f}"'
    return f'<line {ends} stroke="{colour}" {extra}/>'


def draw() -> str:
    """The whole picture as SVG."""
    rule = LabelRule()
    pictures = iter(SimulatedTank(TankSpec(seed=SEED, width=160, height=120, fps=FPS)))
    frames = np.stack([next(pictures)[0] for _ in range(LAST + rule.horizon + 2)])
    energy = motion_energy(frames)
    labels = burst_labels(energy, rule)
    shown = range(FIRST, LAST)
    top = 1.1 * energy[FIRST:LAST].max()

    def x(frame: float) -> float:
        return LEFT + WIDTH * (frame - FIRST) / (LAST - FIRST)

    def y(value: float) -> float:
        return TOP + HEIGHT * (1 - value / top)

    bottom = TOP + HEIGHT
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + WIDTH + 20} {bottom + 90}" '
        'font-family="sans-serif" font-size="14">',
        f'<rect width="{LEFT + WIDTH + 20}" height="{bottom + 90}" fill="#ffffff"/>',
        text(LEFT, 24, "Motion energy: how much the picture changes from one frame to the next"),
    ]
    changes = np.flatnonzero(np.diff(labels[FIRST:LAST], prepend=0, append=0))
    for start, stop in zip(changes[::2] + FIRST, changes[1::2] + FIRST, strict=True):
        parts.append(
            f'<rect x="{x(start):.0f}" y="{TOP}" width="{x(stop) - x(start):.0f}" '
            f'height="{HEIGHT}" fill="{AMBER}"/>'
        )
    for share in (0, 0.5, 1.0):
        parts.append(line(LEFT, y(share * top), LEFT + WIDTH, y(share * top), PALE))
        parts.append(text(LEFT - 8, y(share * top) + 5, f"{share * top:.4f}", "end"))
    points = " ".join(f"{x(frame):.0f},{y(energy[frame]):.0f}" for frame in shown)
    parts.append(f'<polyline points="{points}" fill="none" stroke="{LINE}" stroke-width="2"/>')
    for second in range(FIRST // FPS, LAST // FPS + 1):
        parts.append(line(x(second * FPS), bottom, x(second * FPS), bottom + 5, INK))
        parts.append(text(x(second * FPS), bottom + 22, f"{second} s", "middle"))

    # a label in the middle of a run, and what it looks at
    at = FIRST + int(changes[:2].mean())
    ahead = energy[at : at + rule.horizon + 1]
    low, high = float(ahead.min()), float(ahead.max())
    for frame in (at, at + rule.horizon):
        parts.append(line(x(frame), TOP - 18, x(frame), bottom, INK, 'stroke-dasharray="4 4"'))
    parts.append(line(x(at), TOP - 14, x(at + rule.horizon), TOP - 14, INK, 'stroke-width="2"'))
    middle = x(at + rule.horizon / 2)
    parts.append(text(middle, TOP - 22, "horizon: 45 frames, 1.5 s", "middle"))
    side = x(at + rule.horizon) + 120  # right of the rise
    parts += [line(side - 5, y(value), side + 5, y(value), GREEN) for value in (low, high)]
    parts.append(line(side, y(low), side, y(high), GREEN, 'stroke-width="2"'))
    parts.append(text(side + 10, (y(low) + y(high)) / 2, "range: at least", "start", GREEN))
    parts.append(text(side + 10, (y(low) + y(high)) / 2 + 18, "the threshold", "start", GREEN))
    parts.append(
        text(
            LEFT,
            bottom + 50,
            "Amber: label 1. Motion is low now, and within the horizon it rises by the threshold.",
        )
    )
    parts.append(text(LEFT, bottom + 72, "The model says how likely it is that we are on amber."))
    return "\n".join([*parts, "</svg>"])


if __name__ == "__main__":
    print(draw())
