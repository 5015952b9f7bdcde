"""Parity of a bundle that is already there, on this machine: with its reference, without Keras."""

from collections.abc import Iterable

from export.backends import graphs_of
from export.engine_parity import bundle_openers
from export.parity import ParityReport, measure_parity
from export.reference import load_reference
from fishrt.bundle import Bundle, GraphPrecision
from fishrt.choices import Runtime


def compare_with_reference(
    bundle: Bundle,
    runtimes: Iterable[Runtime] = tuple(Runtime),
    precisions: Iterable[GraphPrecision] | None = None,
    *,
    trust: bool = False,
) -> ParityReport:
    """Compares a bundle's graphs and engines with what Keras computed when it was exported.

    Args:
        bundle: The bundle; hashes of graphs and reference are checked.
        runtimes: What to run it on.
        precisions: Which of its graphs; None takes all.
        trust: Whether code for the host in its engines may run.

    Raises:
        BundleError: If it has no reference, or a file is missing or damaged.
        ParityError: If a graph or an engine differs beyond the limit.
    """
    metadata = bundle.metadata
    stretch, cases = load_reference(bundle)
    wanted = metadata.precisions if precisions is None else precisions
    return measure_parity(
        {precision: graphs_of(bundle, precision) for precision in wanted},
        stretch,
        cases,
        metadata.states,
        metadata.threshold,
        str(metadata.parity.get("frames_from", "the bundle's reference")),
        bundle_openers(bundle, runtimes=tuple(runtimes), trust=trust),
    )
