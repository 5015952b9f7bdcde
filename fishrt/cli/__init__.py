"""The command line: `fishrt COMMAND`, one module a command.

Heavy imports (numpy, OpenCV, TensorFlow, ...) stand inside the command bodies, so that
`fishrt --help` answers at once.
"""

import os
import sys

import typer

from fishrt import __version__
from fishrt.cli.bench import bench
from fishrt.cli.doctor import doctor
from fishrt.cli.evaluate import evaluate
from fishrt.cli.export import export
from fishrt.cli.import_checkpoint import import_checkpoint
from fishrt.cli.interrupts import repeats_taken_for_one
from fishrt.cli.live import live
from fishrt.cli.optional_value import optional_value
from fishrt.cli.parity import parity
from fishrt.cli.predict import predict
from fishrt.cli.prepare import prepare
from fishrt.cli.simulate import simulate
from fishrt.cli.train import train
from fishrt.errors import ExitCode, FishrtError, output_error
from fishrt.patient_stderr import last_words

app = typer.Typer(
    name="fishrt",
    help="Forecast bursts of group motion in overhead video of fish, and say so live.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)
app.command()(prepare)
app.command()(simulate)
app.command()(train)
app.command()(evaluate)
app.command("import-checkpoint")(import_checkpoint)
app.command()(export)
app.command()(parity)
app.command(cls=optional_value("--web"))(live)
app.command()(predict)
app.command()(bench)
app.command()(doctor)


def _version(value: bool) -> None:
    if value:
        typer.echo(f"fishrt {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Print the version and exit."
    ),
) -> None:
    del version


def main() -> None:
    """Runs the command line; every expected error becomes one sentence and an exit code."""
    # OpenCV and its FFmpeg print to stderr by themselves; our own sentence says it better
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    # a camera that hangs would block a read for 10 s; OpenCV takes no time-out for them elsewhere
    os.environ.setdefault("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", "3")
    with repeats_taken_for_one():
        _run()


def _run() -> None:
    try:
        app()
    except FishrtError as error:
        _fail(str(error), error.exit_code)
    except KeyboardInterrupt as interrupt:
        _fail(_last_words_of(interrupt), ExitCode.INTERRUPTED)
    except SystemExit as end:
        # the reader of our output left (`fishrt live | head`); the option parser exits with 1
        # then, which is our code for mistakes of our own
        if isinstance(end.__context__, BrokenPipeError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise SystemExit(int(ExitCode.OUTPUT)) from None
        if cause := _interrupt_behind(end):  # the option parser ends without a word
            _fail(_last_words_of(cause), ExitCode.INTERRUPTED)
        raise
    except OSError as error:
        _fail(str(output_error(error.filename or "the output", error)), ExitCode.OUTPUT)
    except Exception as error:
        if os.environ.get("FISHRT_DEBUG"):
            raise
        _fail(
            f"internal error ({type(error).__name__}: {error}); please report it, with what "
            "FISHRT_DEBUG=1 prints.",
            ExitCode.INTERNAL,
        )


def _interrupt_behind(error: BaseException | None) -> KeyboardInterrupt | None:
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error


def _last_words_of(interrupt: KeyboardInterrupt) -> str:
    return str(interrupt) or "interrupted."


def _fail(sentence: str, code: ExitCode) -> None:
    last_words(f"fishrt: {sentence}")
    raise SystemExit(int(code))
