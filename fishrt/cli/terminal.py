"""What is said on stderr by a command that must go on whatever becomes of its terminal."""

from typing import IO, TYPE_CHECKING, cast

import typer

from fishrt.patient_stderr import PatientStderr

if TYPE_CHECKING:
    from rich.console import Console


def patient_console(context: typer.Context) -> "Console":
    """A console on stderr that waits for no reader; it ends with the command.

    Args:
        context: The command's.
    """
    from rich.console import Console

    stderr = PatientStderr()
    context.call_on_close(stderr.close)
    return Console(file=cast("IO[str]", stderr), highlight=False)
