"""What a benchmark left out, in words, and whether that is less than what was asked for."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any

from fishrt.choices import Backend
from fishrt.errors import BundleError, FishrtError, MachineError

Entry = Mapping[str, Any]
"""An entry of `rows` or `skipped` of what `fishrt bench --json` prints."""

GRAPH = itemgetter("backend", "precision")


def missed(
    record: Mapping[str, Any], backends: Collection[str], precisions: Collection[str]
) -> list[Entry]:
    """What was skipped although it was asked for; everything, where nothing was timed.

    Args:
        record: What `fishrt bench --json` prints.
        backends: The backends that were asked for by name.
        precisions: The precisions that were asked for by name.
    """
    timed = _timed(record)
    lacking = {
        "backend": set(backends) - {row["backend"] for row in timed},
        "precision": set(precisions) - {row["precision"] for row in timed},
    }
    return [
        entry
        for entry in record["skipped"]
        if not timed or any(entry[part] in names for part, names in lacking.items())
    ]


def failure(record: Mapping[str, Any], entries: Sequence[Entry]) -> FishrtError:
    """The error to end with where these entries are `missed`."""
    # a fault of the bundle is told first: without mending it, no other machine would help
    kind = BundleError if any(entry["bundle_at_fault"] for entry in entries) else MachineError
    what = "not all that was asked for" if _timed(record) else "nothing"
    return kind(f"{what} was timed: {'; '.join(skipped_lines(record, entries))}.")


def skipped_lines(record: Mapping[str, Any], entries: Sequence[Entry]) -> Iterator[str]:
    """One line for every reason for which something was not timed; it names what was not."""
    for reason in dict.fromkeys(entry["reason"] for entry in entries):
        skipped = [entry for entry in entries if entry["reason"] == reason]
        others = [e for e in (*record["rows"], *record["skipped"]) if e not in skipped]
        named = dict.fromkeys(
            name
            for graph, group in groupby(skipped, GRAPH)
            for name in _names(group, graph, others)
        )
        yield f"not timed on {', '.join(named)}: {reason.removesuffix('.')}"


def odd_lines(record: Mapping[str, Any]) -> Iterator[str]:
    """What was timed, but is no forecast."""
    rows = [row for row in record["rows"] if not row["finite"]]
    if rows:
        graphs = dict.fromkeys(" ".join(GRAPH(row)) for row in rows)
        yield (
            f"warning: the model gives what is not a number on {', '.join(graphs)}; export it "
            "again, or train it anew"
        )


def _timed(record: Mapping[str, Any]) -> list[Entry]:
    """The rows without that of Keras, which runs none of the bundle's graphs."""
    return [row for row in record["rows"] if row["backend"] in list(Backend)]


def _names(
    skipped: Iterator[Entry], graph: tuple[str, str], others: Sequence[Entry]
) -> Iterator[str]:
    """The backend alone if it is skipped whole, else its precision, else each way as well."""
    if all(entry["backend"] != graph[0] for entry in others):
        yield graph[0]
    elif all(GRAPH(entry) != graph for entry in others):
        yield " ".join(graph)
    else:
        yield f"{' '.join(graph)} ({', '.join(entry['way'] for entry in skipped)})"
