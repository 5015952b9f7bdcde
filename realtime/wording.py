"""Numbers as people write them."""


def count(number: int, noun: str) -> str:
    """So many of something: 1 lane, 30 lanes."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def ordinal(number: int) -> str:
    """A whole number as a place in a row: 1st, 2nd, 3rd, 4th, ... 11th, ... 21st."""
    ending = (
        "th" if 10 <= number % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    )
    return f"{number}{ending}"


def every_so_many(frames: int) -> str:
    """How often something happens: every frame, every 2nd frame, every 3rd frame."""
    return "every frame" if frames == 1 else f"every {ordinal(frames)} frame"
