def live() -> None:
    """TODO."""
