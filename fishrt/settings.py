"""Settings as text: YAML files, `section.key=value`, and what is wrong with them in words."""

from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from fishrt.errors import ConfigError

SHOWN_VALUE_LENGTH = 60


def read_settings(path: Path) -> dict[str, Any]:
    """Reads the sections of a YAML file; none of it is run.

    Raises:
        ConfigError: If the file cannot be read or holds no sections.
    """
    try:
        settings = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read the config {path}: {error.strerror}.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        line = getattr(getattr(error, "problem_mark", None), "line", None)
        where = f" (line {line + 1})" if line is not None else ""
        raise ConfigError(f"the config {path} is not valid YAML{where}.") from error
    if settings is None:
        return {}
    if not isinstance(settings, dict):
        raise ConfigError(f"the config {path} must be sections with settings, such as `train:`.")
    # a section whose every line is a comment reads as None
    return {key: {} if value is None else value for key, value in settings.items()}


def apply_override(settings: dict[str, Any], override: str) -> None:
    """Changes one setting in place.

    Args:
        settings: Sections with settings.
        override: `section.key=value`; the value is YAML.

    Raises:
        ConfigError: If it is not of that form.
    """
    key, equals, text = override.partition("=")
    names = key.strip().split(".")
    if not equals or not all(names):
        raise ConfigError(
            f"the override {override!r} is not of the form section.key=value, such as "
            "train.batch_size=8."
        )
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"the value in the override {override!r} is not valid YAML.") from error
    section = settings
    for name in names[:-1]:
        section = section.setdefault(name, {})
        if not isinstance(section, dict):
            raise ConfigError(f"the override {override!r} goes into {name}, which is no section.")
    section[names[-1]] = value


def sentence_of(error: ValidationError, root: type[BaseModel]) -> str:
    """What pydantic found wrong first, for a person.

    Tags of a union that stand in parentheses are left out: nobody writes them.

    Args:
        error: What validating `root` raised.
        root: The model, whose known keys the sentence lists where one is unknown.
    """
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"] if not str(part).startswith("("))
    if first["type"] == "extra_forbidden":
        known = ", ".join(_known_keys(root, first["loc"][:-1]))
        return f"unknown setting {key}{f'; known there: {known}' if known else ''}."
    reason = _PLAIN_REASONS.get(first["type"], first["msg"].removeprefix("Value error, "))
    value = repr(first["input"])
    if len(value) > SHOWN_VALUE_LENGTH:
        value = f"{value[:SHOWN_VALUE_LENGTH]}..."
    shown = f", not {value}" if first["type"] not in ("value_error", "missing") else ""
    return f"{key + ': ' if key else ''}{reason[:1].lower()}{reason[1:]}{shown}."


# pydantic's own words for these name Python types
_PLAIN_REASONS = {
    "model_type": "input should be a section with settings",
    "tuple_type": "input should be a list",
    "path_type": "input should be a path",
    "too_short": "the list has too few entries",
    "too_long": "the list has too many entries",
}


def _known_keys(root: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    """Keys of a section; none within lists and mappings, where several kinds may stand."""
    model = root
    for name in location:
        annotation = model.model_fields[str(name)].annotation
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            return []
        model = annotation
    return list(model.model_fields)
