"""The guard against writing over the footage that is being read."""

from pathlib import Path

from fishrt.errors import OutputError
from fishrt.video.factory import absolute_source


def refuse_source(target: str | Path | None, footage: str) -> None:
    """Refuses to write over the footage that is being read, whatever --overwrite says.

    Args:
        target: Where is to be written, or None.
        footage: What is read, as the user named it: a file, or a folder, all of which is footage.

    Raises:
        OutputError: If `target` is the footage itself, or within it.
    """
    source = Path(absolute_source(footage))
    if target is None or not source.is_absolute():  # a camera, an address, nothing that exists
        return
    place = Path(target).resolve()
    if _is_same(place, source):
        raise OutputError(f"{target} is the footage itself; name another file.")
    if source in place.parents:
        raise OutputError(f"{target} lies within the footage; name a file elsewhere.")


def _is_same(place: Path, source: Path) -> bool:
    try:
        return place.samefile(source)
    except OSError:  # there is nothing at `place`, or nobody may look at it
        return False
