"""Draws docs/images/lanes.svg, the lanes of one phase, from the schedule that the live loop uses.

    python docs/draw_lanes.py > docs/images/lanes.svg

The clip is shortened to 6 time steps, so that it fits a page.
"""

from realtime.lanes import LaneSchedule

STEPS, PHASES, COLUMNS = 6, 4, 16
NOW = 12  # the column that is pointed at
CELL, GAP, LEFT, TOP = 44, 4, 96, 84
COLOURS = ("#7fb7be", "#f2c57c", "#b8a1d9")  # of neighbouring windows in a lane
INK, PALE, READ = "#263238", "#eceff1", "#c62828"


def text(x: float, y: float, words: str, anchor: str = "middle", colour: str = INK) -> str:
    """One line of text."""
    return f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}" fill="{colour}">{words}</text>'


def box(x: float, y: float, colour: str, extra: str = "") -> str:
    """One step of one lane."""
    return (
        f'<rect x="{x:g}" y="{y:g}" width="{CELL - GAP}" height="{CELL - GAP}" rx="4" '
        f'fill="{colour}" {extra}/>'
    )


def draw() -> str:
    """The whole picture as SVG."""
    schedule = LaneSchedule(STEPS, PHASES)
    width, height = LEFT + COLUMNS * CELL + 20, TOP + schedule.lanes * CELL + 92
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        'font-family="sans-serif" font-size="14">',
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        text(
            LEFT, 26, "Every fourth frame brings this phase one time step, for all lanes", "start"
        ),
    ]
    seen: dict[int, int] = {}  # steps that a lane's window has seen
    windows: dict[int, int] = {}  # windows that a lane has had
    for column in range(COLUMNS):
        step = schedule.at(PHASES * column + PHASES - 1)  # the phase that frame 0 begins
        assert step is not None
        if step.starts is not None:
            seen[step.starts] = 0
            windows[step.starts] = windows.get(step.starts, -1) + 1
        x = LEFT + column * CELL
        parts.append(text(x + (CELL - GAP) / 2, TOP - 12, f"{PHASES * column + PHASES - 1}"))
        for lane in range(schedule.lanes):
            y = TOP + lane * CELL
            if lane not in seen:
                parts.append(box(x, y, PALE))
                continue
            seen[lane] += 1
            read = step.finishes == lane
            outline = f'stroke="{READ}" stroke-width="3"' if read else ""
            parts.append(box(x, y, COLOURS[windows[lane] % len(COLOURS)], outline))
            parts.append(text(x + (CELL - GAP) / 2, y + 26, str(seen[lane])))
    parts.append(text(LEFT - 12, TOP - 12, "frame", "end"))
    for lane in range(schedule.lanes):
        parts.append(text(LEFT - 12, TOP + lane * CELL + 26, f"lane {lane}", "end"))
    x, bottom = LEFT + NOW * CELL, TOP + schedule.lanes * CELL
    parts.append(
        f'<rect x="{x - 4}" y="{TOP - 6}" width="{CELL + 4}" height="{bottom - TOP + 8}" rx="6" '
        f'fill="none" stroke="{INK}" stroke-width="2" stroke-dasharray="5 4"/>'
    )
    parts.append(text(x + CELL / 2, bottom + 24, "one frame: one batch, all lanes by one step"))
    parts.append(
        text(LEFT, bottom + 48, "Number: time steps since this window started from zeros.", "start")
    )
    parts.append(
        text(
            LEFT,
            bottom + 70,
            f"Red: {STEPS} steps seen. This lane is read, and starts the next window from zeros.",
            "start",
            READ,
        )
    )
    return "\n".join([*parts, "</svg>"])


if __name__ == "__main__":
    print(draw())
