"""How to get what is not installed, worded in one way everywhere."""


def install_command(extra: str) -> str:
    """The command that installs one of the extras of pyproject.toml, in a checkout."""
    return f"pip install -e '.[{extra}]'"


def install_hint(extra: str) -> str:
    """The end of a sentence that says what is missing: which extra brings it, and how."""
    return f"install the extra {extra}, in a checkout with: {install_command(extra)}"
