"""What is said when Ctrl-C, or a full disk, ends a command that goes on where it was."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from fishrt.errors import OutputError, is_disk_full


@contextlib.contextmanager
def telling_what_is_kept(output: Path, *, restart: bool) -> Iterator[None]:
    """Says of what ends the block early what is kept, and how to go on.

    Args:
        output: The recording that the block makes.
        restart: Whether the command begins an unfinished one anew.

    Raises:
        KeyboardInterrupt: With these words, where something is kept.
        OutputError: With these words, where a full disk ended it and something is kept.
    """
    try:
        yield
    except KeyboardInterrupt as error:
        if not (kept := _kept(output, restart=restart)):
            raise
        raise KeyboardInterrupt(f"interrupted; {kept}") from error
    except OutputError as error:
        if not is_disk_full(error) or not (kept := _kept(output, restart=restart)):
            raise
        raise OutputError(
            f"cannot write {output}: the disk is full; free some space, then: {kept}"
        ) from error


def _kept(output: Path, *, restart: bool) -> str:
    """How many frames are kept and how to go on; empty if there are none."""
    from fishrt.recording import partial_folder
    from fishrt.recording_writer import kept_frames

    frames = kept_frames(output)
    if not frames:
        return ""
    command = "the same command without --restart" if restart else "the same command"
    return f"{frames} frames are kept in {partial_folder(output)}, and {command} goes on there."
