"""`fishrt import-checkpoint`: from a published checkpoint to a run."""

from pathlib import Path
from typing import Annotated

import typer

from fishrt.cli.options import ConfigOption, SetOption


def import_checkpoint(
    checkpoint: Annotated[
        Path, typer.Argument(help="SavedModel folder of Keras 2, with saved_model.pb in it.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Run folder to make.")],
    config: ConfigOption = None,
    overrides: SetOption = None,
) -> None:
    """Make a run of a published checkpoint: a TensorFlow 2.5 SavedModel of one or two layers.

    The checkpoint is read as data, nothing in it is run, and one whose network would compute
    something else is refused. --config and --set say how its footage was processed and labelled.
    """
    from fishrt.cli.extras import import_tensorflow_quietly
    from fishrt.install_hints import require

    require("train", "tensorflow")
    import_tensorflow_quietly()
    from rich.console import Console

    from fishrt.config import load_config
    from training import import_checkpoint as importing

    console = Console(stderr=True, highlight=False, soft_wrap=True)
    model = importing.import_checkpoint(checkpoint, load_config(config, overrides or ()), output)
    clip = model.clip
    console.print(
        f"{len(model.cells)} ConvLSTM layers with {', '.join(str(c.filters) for c in model.cells)} "
        f"filters; clips of {clip.steps} steps of {clip.frames_per_step} frames, "
        f"{clip.width}x{clip.height}"
    )
    console.print(f"the run is in {output}; make a bundle with: fishrt export {output}")
