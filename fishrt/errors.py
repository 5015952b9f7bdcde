"""What can go wrong, each with its documented exit code.

Every error that a user can cause is a `FishrtError` whose message is one sentence saying what
is wrong and what to do; the command line prints it and exits with the class's code.
"""

import enum
import errno

DISK_FULL = (errno.ENOSPC, errno.EDQUOT)


class ExitCode(enum.IntEnum):
    """Exit codes of every `fishrt` command (documented in docs/exit-codes.md)."""

    OK = 0
    INTERNAL = 1
    USAGE = 2
    SOURCE = 3
    CONFIG = 4
    BUNDLE = 5
    RECORDING = 6
    OUTPUT = 7
    MISSING_EXTRA = 8
    PARITY = 9
    TRAINING = 10
    MACHINE = 11
    INTERRUPTED = 130


class FishrtError(Exception):
    """Base of every error that is the input's or the machine's, not the program's."""

    exit_code = ExitCode.INTERNAL


class UsageError(FishrtError):
    """An option or argument is wrong in a way that only the command itself can see."""

    exit_code = ExitCode.USAGE


class SourceError(FishrtError):
    """A camera, video file, image folder or URL cannot be opened or read."""

    exit_code = ExitCode.SOURCE


class ConfigError(FishrtError):
    """A config file or an override is unreadable, has an unknown key or a wrong value."""

    exit_code = ExitCode.CONFIG


class BundleError(FishrtError):
    """A bundle is missing, damaged, or of a version or kind that cannot be run."""

    exit_code = ExitCode.BUNDLE


class RecordingError(FishrtError):
    """A recording folder is missing, incomplete, or does not fit the config."""

    exit_code = ExitCode.RECORDING


class OutputError(FishrtError):
    """A result cannot be written (no permission, no space, target in the way), a port is taken."""

    exit_code = ExitCode.OUTPUT


class MissingExtraError(FishrtError):
    """A command needs an optional dependency that is not installed."""

    exit_code = ExitCode.MISSING_EXTRA


class ParityError(FishrtError):
    """An exported graph does not compute what the Keras model computes."""

    exit_code = ExitCode.PARITY


class TrainingError(FishrtError):
    """Training cannot go on (a loss that is not a number, a split without examples)."""

    exit_code = ExitCode.TRAINING


class MachineError(FishrtError):
    """This machine lacks what a command needs: a GPU, a driver, a library that loads, an engine."""

    exit_code = ExitCode.MACHINE


def output_error(path: object, error: OSError) -> OutputError:
    """Turns an `OSError` from writing `path` into one clear sentence.

    Args:
        path: What was being written.
        error: The error of the operating system.

    Returns:
        The error to raise.
    """
    reasons = {
        errno.ENOSPC: "the disk is full; free some space, or write to another disk",
        errno.EDQUOT: "the disk quota is used up; free some space, or write to another disk",
        errno.EACCES: "permission is denied; choose a folder you may write to",
        errno.EROFS: "the file system is read-only; choose another folder",
        errno.ENOENT: "its folder does not exist; create it first",
        errno.EISDIR: "it is a folder; name a file",
        errno.EPIPE: "its reader has left; keep it running, or write to a file",
    }
    reason = reasons.get(error.errno or 0, error.strerror or str(error))
    return OutputError(f"cannot write {path}: {reason}.")


def is_disk_full(error: OutputError) -> bool:
    """Whether something could not be written because there was no room."""
    return isinstance(error.__cause__, OSError) and error.__cause__.errno in DISK_FULL
