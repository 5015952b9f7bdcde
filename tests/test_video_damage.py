"""Damage within a video, counted: what is missing is told once, and every picture taken once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fishrt.video.damage import (
    NO_DAMAGE,
    SETTLING,
    behind_damage,
    missing_pictures,
    undecodable,
)


@pytest.mark.parametrize(
    ("elapsed", "least", "room", "missing"),
    [
        (0.04, 0, 99, 0),  # the very next one
        (0.12, 0, 99, 2),
        (0.137, 0, 99, 2),  # clocks are rounded
        (0.04, 1, 99, 1),  # the decoder said that one is gone
        (-5.0, 1, 99, 1),  # a clock that was damaged, too
        (1e9, 1, 7, 7),
        (0.12, 1, -1, 0),  # more pictures than the header declares
    ],
)
def test_pictures_are_counted_by_the_clock_as_far_as_it_can_be_true(
    elapsed: float, least: int, room: int, missing: int
) -> None:
    assert missing_pictures(elapsed, 0.04, least, room) == missing


@given(holes=st.lists(st.integers(0, 5), min_size=SETTLING, max_size=SETTLING))
def test_all_that_is_missing_is_told_and_then_it_is_over(holes: list[int]) -> None:
    damage, told, taken = behind_damage(3), 0, 0
    pictures = iter(holes)
    while True:
        while damage.missing:
            assert damage.waits
            damage, told = damage.told(), told + 1
        damage, taken = damage.passed(), taken + 1
        assert not damage.waits
        if not damage.settling:
            break
        damage = damage.looked_at(next(pictures))
    assert told == 3 + sum(holes)
    assert taken == 1 + SETTLING
    assert damage == NO_DAMAGE


def test_a_damaged_picture_is_named() -> None:
    assert str(undecodable("tank.mp4", 41)) == (
        "picture 41 of tank.mp4 cannot be decoded; the video is damaged there, copy it again."
    )
