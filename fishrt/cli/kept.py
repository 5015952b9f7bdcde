"""What is said when Ctrl-C ends a command that goes on where it was."""

import contextlib
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def telling_what_is_kept(output: Path, *, restart: bool) -> Iterator[None]:
    """Gives a Ctrl-C within the block the words for the last line of the command.

    Args:
        output: The recording that the block makes.
        restart: Whether the command begins an unfinished one anew.

    Raises:
        KeyboardInterrupt: With these words, where something is kept.
    """
    try:
        yield
    except KeyboardInterrupt as error:
        from fishrt.recording import partial_folder
        from fishrt.recording_writer import kept_frames

        frames = kept_frames(output)
        if not frames:
            raise
        command = "the same command without --restart" if restart else "the same command"
        raise KeyboardInterrupt(
            f"interrupted; {frames} frames are kept in {partial_folder(output)}, and {command} "
            "goes on there."
        ) from error
