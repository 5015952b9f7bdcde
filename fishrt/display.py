"""Whether there is a screen to show something on."""

import os
import sys


def display_exists() -> bool:
    """Whether a display is named: by the environment, or always on macOS and Windows."""
    if sys.platform in ("darwin", "win32"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
