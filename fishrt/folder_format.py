"""The metadata file of a folder that fishrt wrote: a bundle or a recording."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from fishrt.errors import FishrtError
from fishrt.settings import sentence_of
from fishrt.storage import write_text

_Metadata = TypeVar("_Metadata", bound=BaseModel)


@dataclass(frozen=True)
class FolderFormat:
    """What is said about one kind of folder when it cannot be read.

    Attributes:
        name: What it is called, such as `bundle`.
        whole: The same as the user should have given it, such as `a whole recording`.
        metadata_file: Name of its metadata file.
        version: The format version that this fishrt writes.
        failure: What is raised.
        if_absent: What ends the sentence when the metadata file cannot be read.
        if_outdated: What ends the sentence when the version is another one.
        older: Older format versions that this fishrt reads as well.
    """

    name: str
    whole: str
    metadata_file: str
    version: int
    failure: type[FishrtError]
    if_absent: str
    if_outdated: str
    older: tuple[int, ...] = ()


def read_metadata(folder: Path, kind: FolderFormat, model: type[_Metadata]) -> _Metadata:
    """Reads and checks a folder's metadata file.

    Args:
        folder: The folder.
        kind: What kind of folder it is.
        model: What the file must hold.

    Raises:
        FishrtError: `kind.failure`, if the file is missing, damaged or of another version.
    """
    path = folder / kind.metadata_file
    content = _read_yaml(folder, path, kind)
    version = content.get("format_version") if isinstance(content, dict) else None
    if version not in (kind.version, *kind.older):
        raise kind.failure(
            f"the {kind.name} {folder} has format version {version}, but this fishrt reads "
            f"version {kind.version}; {kind.if_outdated}."
        )
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise kind.failure(f"{path} is damaged: {sentence_of(error, model)}") from error


def write_metadata(path: Path, metadata: BaseModel) -> None:
    """Writes metadata as YAML: the file is either the old one or the new one, never half of it.

    Raises:
        OutputError: If it cannot be written.
    """
    content = metadata.model_dump(mode="json")
    write_text(path, yaml.safe_dump(content, sort_keys=False, allow_unicode=True))


def _read_yaml(folder: Path, path: Path, kind: FolderFormat) -> Any:
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise kind.failure(
            f"{folder} is not {kind.whole}: {kind.metadata_file} cannot be read "
            f"({error.strerror}){kind.if_absent}."
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise kind.failure(f"{path} is damaged: it is not valid YAML.") from error
