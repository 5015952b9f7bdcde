"""Export: from a trained run to a bundle of graphs that are proven to compute the same."""
