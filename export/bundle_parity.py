"""Parity of a bundle that is already there, on this machine: with its reference, without Keras."""

from export.backends import graphs_of
from export.parity import ParityReport, measure_parity
from export.reference import load_reference
from fishrt.bundle import Bundle


def compare_with_reference(bundle: Bundle) -> ParityReport:
    """Compares a bundle's graphs with what Keras computed when it was exported.

    Args:
        bundle: The bundle; hashes of graphs and reference are checked.

    Raises:
        BundleError: If it has no reference, or a file is missing or damaged.
        ParityError: If a graph differs beyond the limit.
    """
    metadata = bundle.metadata
    stretch, cases = load_reference(bundle)
    return measure_parity(
        {precision: graphs_of(bundle, precision) for precision in metadata.precisions},
        stretch,
        cases,
        metadata.states,
        metadata.threshold,
        str(metadata.parity.get("frames_from", "the bundle's reference")),
    )
