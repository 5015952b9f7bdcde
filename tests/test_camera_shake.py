"""The camera-shake check against shifts that are known, and against all that is no shake."""

import itertools
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from fishrt.footage.check import MIN_RESPONSE
from fishrt.footage.shake import MIN_SHIFT, STRIDE, ShakeMeter
from fishrt.footage.whole_shift import whole_shift
from fishrt.simulate import SimulatedTank, TankSpec

Picture = NDArray[np.float64]
Grey = NDArray[np.uint8]
HEIGHT, WIDTH, MARGIN = 240, 320, 20
SCALE = WIDTH / 160
PAIRS = 16


def texture(blur: float, low: float, high: float) -> Picture:
    size = HEIGHT + 2 * MARGIN, WIDTH + 2 * MARGIN
    noise = cv2.GaussianBlur(np.random.default_rng(3).random(size), (0, 0), blur)
    return np.asarray(cv2.normalize(noise, None, low, high, cv2.NORM_MINMAX), np.float64)


def tank_with_a_rim(ground: int, line: int) -> Picture:
    view = np.full((HEIGHT + 2 * MARGIN, WIDTH + 2 * MARGIN), ground, np.uint8)
    cv2.ellipse(view, (180, 140), (110, 90), 0, 0, 360, line, 6)
    cv2.line(view, (0, 50), (360, 40), (ground + line) // 2, 4)
    for corner in ((40, 210), (290, 40), (290, 210)):
        cv2.rectangle(view, corner, (corner[0] + 50, corner[1] + 35), line // 2 + 20, -1)
    return cv2.GaussianBlur(view, (0, 0), 1.2).astype(np.float64)


GROUNDS = {
    "sharp": texture(1, 80, 200),
    "textured": texture(2, 80, 200),
    "blurred": texture(4, 100, 170),
    "light": tank_with_a_rim(180, 90),
    "dark": tank_with_a_rim(15, 90),
}


def fish(rng: np.random.Generator, together: float = 0.0, count: int = 6) -> list[Picture]:
    """Two pictures, 0 to 1, of ellipses that swim; `together` at about this many pixels."""
    place = rng.uniform(0, 1, (count, 2)) * (WIDTH, HEIGHT)
    heading = rng.uniform(0, 2 * np.pi, count)
    speed = rng.uniform(0, 4, count)
    if together:
        heading = rng.uniform(0, 2 * np.pi) + rng.normal(0, np.radians(10), count)
        speed = together * rng.normal(1, 0.1, count)
    pictures = []
    for step in (0, 1):
        at = place + step * speed[:, None] * np.stack([np.cos(heading), np.sin(heading)], 1)
        view = np.zeros((HEIGHT, WIDTH), np.uint8)
        for (x, y), angle in zip(at, heading, strict=True):
            middle = round(x * 16), round(y * 16)
            cv2.ellipse(view, middle, (160, 60), np.degrees(angle), 0, 360, 255, -1, cv2.LINE_AA, 4)
        pictures.append(view / 255.0)
    return pictures


def seen(view: Picture, rng: np.random.Generator) -> Grey:
    """As a camera with noise of two grey levels sees it."""
    return np.clip(np.rint(view + rng.normal(0, 2, view.shape)), 0, 255).astype(np.uint8)


def measure(before: Grey, now: Grey) -> tuple[bool, NDArray[np.float32]]:
    """Whether the check counts this pair, and its shift."""
    meter = ShakeMeter()
    assert meter.push(STRIDE - 2, before) is None
    measured = meter.push(STRIDE - 1, now)
    assert measured is not None
    assert measured.dtype == np.float32
    counts = measured[2] >= MIN_RESPONSE and np.hypot(*measured[:2]) >= MIN_SHIFT
    return bool(counts), measured[:2]


def shaken_pair(
    ground: Picture, jitter: int, rng: np.random.Generator
) -> tuple[Grey, Grey, NDArray[np.float64]]:
    at = rng.integers(-jitter, jitter + 1, (2, 2))
    light = -1 if ground.mean() > 100 else 1
    pictures = []
    for (dx, dy), swimming in zip(at, fish(rng), strict=True):
        left, top = MARGIN + dx, MARGIN + dy
        view = ground[top : top + HEIGHT, left : left + WIDTH]
        matrix = np.array([[1, 0, -dx], [0, 1, -dy]], np.float32)
        moved = cv2.warpAffine(swimming, matrix, (WIDTH, HEIGHT))
        pictures.append(seen(view + light * 90 * moved, rng))
    return pictures[0], pictures[1], (at[0] - at[1]) / SCALE


@pytest.mark.parametrize("jitter", [1, 2, 4, 8])
@pytest.mark.parametrize("kind", GROUNDS)
def test_a_camera_that_moves_is_seen(kind: str, jitter: int) -> None:
    rng = np.random.default_rng(jitter)
    told, errors, moved = 0, [], 0
    while moved < PAIRS:
        *pair, shift = shaken_pair(GROUNDS[kind], jitter, rng)
        counts, measured = measure(*pair)
        if counts:
            errors.append(np.hypot(*(measured - shift)))
        if np.hypot(*shift) > MIN_SHIFT:  # of exactly as much noise decides
            moved += 1
            told += counts
        elif np.hypot(*shift) < MIN_SHIFT:
            assert not counts
    # measured: 15 of 16 and all
    assert told >= 0.85 * moved
    # measured: 0.02 pixels at most
    assert np.max(errors) < 0.06


def test_the_school_video_shaken_is_seen(reference: Path) -> None:
    capture = cv2.VideoCapture(str(reference / "video" / "school_overhead_1024_30fps.mp4"))
    rng = np.random.default_rng(0)
    told, moved = 0, 0
    for _ in range(60):
        shift = rng.integers(-6, 7, (2, 2))
        pair = []
        for dx, dy in shift + 12:
            grey = cv2.cvtColor(capture.read()[1], cv2.COLOR_BGR2GRAY)
            pair.append(np.ascontiguousarray(grey[dy : dy + 1000, dx : dx + 1000]))
        counts, _ = measure(*pair)
        if np.hypot(*(shift[0] - shift[1])) * 160 / 1000 >= MIN_SHIFT:
            moved += 1
            told += counts
    # measured: 53 of 56
    assert moved > 40
    assert told >= 0.8 * moved


Change = Callable[[Picture, Picture, np.random.Generator], tuple[Picture, Picture]]


def flicker(one: Picture, other: Picture, rng: np.random.Generator) -> tuple[Picture, Picture]:
    return one * rng.uniform(0.96, 1.04), other * rng.uniform(0.96, 1.04)


def exposure(one: Picture, other: Picture, rng: np.random.Generator) -> tuple[Picture, Picture]:
    return one, other * rng.uniform(0.8, 1.25)


def sideways_light(
    one: Picture, other: Picture, rng: np.random.Generator
) -> tuple[Picture, Picture]:
    return one, other * (1 + rng.uniform(-0.2, 0.2) * np.linspace(-1, 1, WIDTH))


def keyframe(one: Picture, other: Picture, rng: np.random.Generator) -> tuple[Picture, Picture]:
    def coded(view: Picture, quality: int) -> Picture:
        flags = [cv2.IMWRITE_JPEG_QUALITY, quality]
        code = cv2.imencode(".jpg", seen(view, rng), flags)[1]
        return np.asarray(cv2.imdecode(code, cv2.IMREAD_GRAYSCALE), np.float64)

    return coded(one, 20), coded(other, 90)


def shadow(one: Picture, other: Picture, rng: np.random.Generator) -> tuple[Picture, Picture]:
    edge, step = rng.uniform(60, 260), rng.uniform(2, 20)
    shade = [1 - 0.5 / (1 + np.exp((np.arange(WIDTH) - edge - at) / 10)) for at in (0, step)]
    return one * shade[0], other * shade[1]


def person(one: Picture, other: Picture, rng: np.random.Generator) -> tuple[Picture, Picture]:
    coat, step = texture(6, 20, 160), int(rng.integers(1, 9))
    wide = int(rng.integers(40, 170))
    views = one.copy(), other.copy()
    for view, left in zip(views, (MARGIN, MARGIN - step), strict=True):
        view[:, :wide] = coat[MARGIN:-MARGIN, left : left + wide]
    return views


@pytest.mark.parametrize("kind", ["textured", "blurred", "light", "dark"])
@pytest.mark.parametrize(
    "change",
    [flicker, exposure, sideways_light, keyframe, shadow, person],
    ids=lambda f: f.__name__,
)
def test_what_is_no_shake_is_not_told(kind: str, change: Change) -> None:
    rng = np.random.default_rng(0)
    ground = GROUNDS[kind][MARGIN:-MARGIN, MARGIN:-MARGIN]
    for _ in range(PAIRS):
        light = -1 if ground.mean() > 100 else 1
        one, other = (ground + light * 90 * swimming for swimming in fish(rng))
        pair = change(one, other, rng)
        assert not measure(*(seen(view, rng) for view in pair))[0]


@pytest.mark.parametrize("ground", [0.0, 180.0])
@pytest.mark.parametrize("count", [4, 12, 30])
def test_fish_that_swim_together_are_no_shake(ground: float, count: int) -> None:
    rng = np.random.default_rng(0)
    told = 0
    for _ in range(PAIRS):
        views = fish(rng, together=rng.uniform(1, 8), count=count)
        light = -100 if ground else 200
        told += measure(*(seen(ground + light * view, rng) for view in views))[0]
    # measured: 3 of 150 at most, of thirty fish on a light ground; so many that look alike cannot
    # be told from a picture that moves
    assert told <= 1


@pytest.mark.parametrize("count", [2, 6, 30])
def test_the_simulated_tank_is_no_shake(count: int) -> None:
    rng = np.random.default_rng(0)
    views = [v for v, _ in itertools.islice(SimulatedTank(TankSpec(seed=4, fish=count)), 300)]
    for one, other in itertools.pairwise(views):
        assert not measure(one, other)[0]
    for one, other in itertools.pairwise(views[::3]):  # as of a slower camera
        assert not measure(*(seen(170 - 0.6 * view, rng) for view in (one, other)))[0]


@settings(max_examples=30)
@given(seed=st.integers(0, 2**32 - 1), quarter=st.integers(0, 3), jitter=st.integers(2, 8))
def test_a_quarter_at_rest_excludes_shake(seed: int, quarter: int, jitter: int) -> None:
    rng = np.random.default_rng(seed)
    before, now, _ = shaken_pair(GROUNDS["textured"], jitter, rng)
    top, left = quarter // 2 * HEIGHT // 2, quarter % 2 * WIDTH // 2
    part = slice(top, top + HEIGHT // 2), slice(left, left + WIDTH // 2)
    now[part] = before[part]
    assert not measure(before, now)[0]
    # also where nobody asked the quarters first
    shift = rng.uniform(-jitter, jitter, 2) / SCALE
    assert whole_shift(before[::2, ::2], now[::2, ::2], (shift[0], shift[1]), MIN_SHIFT)[2] == 0


@pytest.mark.parametrize(
    "view", [np.zeros((120, 160)), np.tile(np.arange(160.0) % 16 * 15, (120, 1))]
)
def test_nothing_and_stripes_tell_no_shift(view: Picture) -> None:
    # along stripes every shift fits, so none is known
    grey = view.astype(np.uint8)
    assert whole_shift(grey, np.roll(grey, 2, axis=1), (2.0, 0.0), MIN_SHIFT)[2] == 0


@pytest.mark.parametrize(
    ("size", "measures"),
    [
        ((15, 40), False),
        ((16, 16), True),
        ((16, 1600), False),
        ((17, 400), False),
        ((40, 400), True),
    ],
)
def test_pictures_that_are_too_narrow_are_not_measured(
    size: tuple[int, int], measures: bool
) -> None:
    rng = np.random.default_rng(0)
    meter = ShakeMeter()
    for number in (13, 14):
        shift = meter.push(number, rng.integers(0, 256, size, np.uint8))
    assert (shift is not None) == measures
