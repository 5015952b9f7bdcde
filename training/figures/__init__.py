"""Pictures of an evaluation; each takes axes to draw into, or makes its own."""
