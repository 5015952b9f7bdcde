"""The page in headless Chromium, on a desk and on a phone."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from browser import Tab, browser, chromium
from web_run import HORIZON, Run, picture

from realtime.event import EventKind
from realtime.forecast import Reason
from realtime.scoreboard.snapshot import (
    DriftFigure,
    EventFigures,
    ReliabilityPoint,
    ScoreSnapshot,
    SkillFigures,
)
from realtime.update import Truth
from realtime.web.address import WebAddress, parse_address

DESK, PHONE = (1280, 800), (390, 844)
ALARM = "alarm: a burst is forecast, probability 0.88"
BURST = range(130, 150)  # frames that a burst follows

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(chromium() is None, reason="there is no Chromium here"),
]


SKILL = SkillFigures(
    minutes=8.0,
    labelled=14_000,
    enough=True,
    auc=0.93,
    skill_climatology=0.41,
    skill_baseline=-0.02,
    reliability=(
        ReliabilityPoint(0.0, 0.5, 900, 0.1, 0.12),
        ReliabilityPoint(0.5, 1.0, 100, 0.8, 0.75),
    ),
)
BOARD = ScoreSnapshot(
    delay_s=1.5,
    rolling=SKILL,
    overall=SKILL,
    events=EventFigures(bursts=14, caught=12, false_alarms_per_minute=0.4, median_lead_s=1.23),
    drift=(DriftFigure("brightness", 0.2, 0.09, 0.08, 0.1, outside=True),),
    drift_from="training",
    drift_warning="The picture is brighter than the training footage.",
)


@pytest.fixture(scope="module")
def tab() -> Iterator[Tab]:
    with browser(str(chromium())) as tab:
        yield tab


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    run = Run(tmp_path, scores=lambda: BOARD)
    yield run
    run.page.close()


def show(tab: Tab, run: Run, size: tuple[int, int] = DESK, scheme: str = "light") -> None:
    """Opens the page and waits until it hears the run."""
    tab.errors.clear()
    tab.prefer(color_scheme=scheme)
    tab.size(*size, phone=size == PHONE)
    tab.open(run.page.url)
    tab.until("document.querySelector('#link')?.dataset.link === 'live'")


def play(run: Run, until: int, probability: float | None = 0.25, **changes: Any) -> None:
    """Writes frames up to `until`, with a bright square, and the labels that they make known."""
    image = picture(120, 160, 10)
    image[40:80, 60:100] = 250
    while run.frame < until:
        known = run.frame - HORIZON - 1
        truth = Truth(known, int(known in BURST)) if known >= 0 else None
        run.write(probability, image, truth, **changes)


def shown(tab: Tab, text: str) -> None:
    tab.until(f"document.querySelector('#probability').textContent === {text!r}")


@pytest.mark.parametrize(("size", "scheme"), [(DESK, "light"), (PHONE, "dark")])
def test_what_happens_is_seen(
    tab: Tab, run: Run, size: tuple[int, int], scheme: str, tmp_path: Path
) -> None:
    show(tab, run, size, scheme)
    assert tab.text("#state-name") == "Starting"
    assert tab.text("#probability") == "\u2013"

    play(run, 119, None)
    tab.until("document.querySelector('#state-name').textContent === 'Filling'")
    assert tab.value("document.querySelectorAll('#probability-chart .line').length") == 0
    play(run, 150)
    shown(tab, "0.25")
    assert tab.text("#state-name") == "Calm"
    assert not tab.value("document.querySelector('#frame').classList.contains('alarm')")

    play(run, 210, 0.875, alarm=True)
    run.event(
        EventKind.ALARM_START, "alarm: a burst is forecast, probability 0.88", probability=0.88
    )
    shown(tab, "0.88")
    tab.until("document.querySelector('#announce').textContent.startsWith('alarm: a burst')")
    assert tab.value("document.querySelector('#frame').classList.contains('alarm')")
    assert "Burst ahead" in tab.value("document.title")
    assert tab.text("#events li span") == ALARM
    assert tab.value("document.querySelector('#no-events').hidden")

    # the labels are drawn at the frames that they are about, though they came later
    band = tab.value(
        "(() => { const {dataset, x, width} = document.querySelector('#probability-chart"
        " .burst-label'); return [dataset.from, dataset.to, x.baseVal.value, width.baseVal.value]"
        "})()"
    )
    assert [int(band[0]), int(band[1])] == [BURST[0], BURST[-1]]
    right, left = tab.value(
        "(() => { const w = document.querySelector('#probability-chart .well');"
        " return [w.x.baseVal.value + w.width.baseVal.value, w.x.baseVal.value] })()"
    )
    per_frame = (right - left) / 900
    assert band[2] == pytest.approx(right - (209 - BURST[0] + 0.5) * per_frame, abs=0.6)
    assert band[3] == pytest.approx(len(BURST) * per_frame, abs=0.6)
    assert tab.value("document.querySelectorAll('#probability-chart .alarm-strip').length") == 1
    line = tab.value("document.querySelector('#probability-chart .line').getAttribute('d')")
    assert line.count("M") == 1
    assert line.count("L") == 210 - 119 - 1

    camera = "document.querySelector('#camera')"
    tab.until(f"{camera}.width === 160 && {camera}.height === 120")
    middle, corner = (
        tab.value(f"{camera}.getContext('2d').getImageData({at}, 1, 1).data[0]")
        for at in ("80, 60", "5, 5")
    )
    assert (middle > 240, corner < 20) == (True, True)

    assert "12 of 14" in tab.text("#score-events").replace("12", "12 ").replace("  ", " ")
    assert "0.930" in tab.text("#skill")
    assert "\u22120.02" in tab.text("#skill")
    assert "brighter" in tab.text("#drift-warning")
    assert "camera rtsp://tank.local:554/stream" in tab.text("#run")

    width, height = size
    assert tab.value("document.documentElement.scrollWidth") == width  # nothing sticks out
    button = tab.value("(b => [b.width, b.height])(document.querySelector('#record')"
                       ".getBoundingClientRect())")  # fmt: skip
    assert min(button) >= 44  # a thumb's width
    tab.screenshot(tmp_path / "page.png")
    page = cv2.imread(str(tmp_path / "page.png"))
    assert page.shape[:2] == (height, width)
    assert (np.median(page) < 60) == (scheme == "dark")
    assert tab.errors == []


def test_no_auc_is_shown_of_a_handful_of_forecasts(tab: Tab, tmp_path: Path) -> None:
    few = replace(SKILL, enough=False, auc=1.0, baseline_auc=0.5)
    many = replace(SKILL, minutes=12.3)
    for rolling, overall, expected in (
        (few, few, []),
        (few, many, [["AUC", "\u2013", "0.930"]]),
        (many, many, [["AUC", "0.930", "0.930"]]),
    ):
        board = replace(BOARD, rolling=rolling, overall=overall)
        run = Run(tmp_path, scores=partial(replace, board))
        try:
            play(run, 5)
            show(tab, run)
            tab.until("document.querySelector('#skill').rows.length")
            rows = tab.value(
                "[...document.querySelector('#skill').rows]"
                ".map(row => [...row.cells].map(cell => cell.textContent))"
            )
        finally:
            run.page.close()
        assert [row for row in rows if row[0].startswith("AUC")] == expected
        minutes = ["12" if figures.enough else "8.0" for figures in (rolling, overall)]
        assert rows[-1] == ["minutes scored", *minutes]


def test_frames_that_were_not_due_are_no_hole_but_lost_ones_are(tab: Tab, run: Run) -> None:
    for frame in range(60):
        due = frame % 3 == 0
        reason = {} if due else {"reason": Reason.SKIPPED}
        run.write(0.5 if due else None, **reason)
        if frame == 29:
            run.frame += 7
    show(tab, run)
    line = tab.until("document.querySelector('#probability-chart .line')?.getAttribute('d')")
    assert (line.count("M"), line.count("L")) == (2, 18)


def test_recording_is_started_and_stopped_by_its_button(tab: Tab, run: Run, tmp_path: Path) -> None:
    show(tab, run, PHONE)
    pressed = "document.querySelector('#record').getAttribute('aria-pressed')"
    tab.until("!document.querySelector('#record').disabled")
    tab.value("document.querySelector('#record').click()")
    tab.until(f"{pressed} === 'true' && !document.querySelector('#record').disabled")
    play(run, 20)
    tab.until("document.querySelector('#record-text').textContent.startsWith('Recording fishrt-')")
    tab.value("document.querySelector('#record').click()")
    tab.until("document.querySelector('#record-text').textContent.startsWith('Saved fishrt-')")
    assert tab.value(pressed) == "false"
    assert [file.stat().st_size > 0 for file in tmp_path.glob("*.mp4")] == [True]
    assert tab.errors == []


def test_a_lost_connection_is_said_and_comes_back_by_itself(
    tab: Tab, run: Run, tmp_path: Path
) -> None:
    play(run, 130, 0.9, alarm=True)
    show(tab, run)
    shown(tab, "0.90")
    address = parse_address(run.page.url.split("/")[2])
    run.page.close()
    tab.until("document.querySelector('#link').dataset.link === 'lost'")
    assert tab.text("#banner").startswith("Run ended.")
    # what was said last is not passed off as what is
    assert tab.text("#probability") == "\u2013"
    assert not tab.value("document.querySelector('#frame').classList.contains('alarm')")
    again = Run(tmp_path, address)
    try:
        play(again, 10, 0.125)
        shown(tab, "0.13")
        assert tab.value("document.querySelector('#banner').hidden")
        assert tab.text("#probability-chart .line") == ""  # a new run begins with an empty chart
        line = tab.value("document.querySelector('#probability-chart .line').getAttribute('d')")
        assert line.count("L") == 9
    finally:
        again.page.close()


def test_a_page_that_is_not_let_in_any_more_says_so(tab: Tab, tmp_path: Path) -> None:
    """A new run at the same address has another token."""
    run = Run(tmp_path, WebAddress("0.0.0.0", 0))
    show(tab, run)
    port = int(run.page.url.split(":")[2].split("/")[0])
    run.page.close()
    tab.until("document.querySelector('#link').dataset.link === 'lost'")
    again = Run(tmp_path, WebAddress("0.0.0.0", port))
    try:
        tab.until("document.querySelector('#banner').textContent.includes('needs its token')")
    finally:
        again.page.close()


def test_the_token_does_not_stay_in_the_address(tab: Tab, tmp_path: Path) -> None:
    run = Run(tmp_path, WebAddress("0.0.0.0", 0))
    try:
        play(run, 5)
        show(tab, run)
        assert "token" in run.page.url
        assert tab.value("location.href").endswith("/")
        assert "token" not in tab.value("location.href + document.cookie")
        tab.call("Page.reload")
        tab.until("document.querySelector('#link')?.dataset.link === 'live'")
        assert tab.errors == []
    finally:
        run.page.close()
