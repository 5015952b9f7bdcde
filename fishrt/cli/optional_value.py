"""Options whose value may be left out, which the option parser does not have."""

from typing import Any

from typer.core import TyperCommand


def optional_value(*options: str) -> type[TyperCommand]:
    """A kind of command where some options may stand alone; their value is empty then.

    Args:
        options: Names with their dashes, such as `--web`.
    """

    class Command(TyperCommand):
        def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
            return super().parse_args(ctx, with_empty_values(args, options))

    return Command


def with_empty_values(arguments: list[str], options: tuple[str, ...]) -> list[str]:
    """The arguments, with `--web` written as `--web=` where no value follows.

    Args:
        arguments: What the user wrote.
        options: Names of options whose value may be left out.
    """
    following = [*arguments, "-"][1:]
    return [
        f"{argument}=" if argument in options and after.startswith("-") else argument
        for argument, after in zip(arguments, following, strict=True)
    ]
