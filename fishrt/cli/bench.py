def bench() -> None:
    """TODO."""
