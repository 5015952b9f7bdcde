"""Names in the exported graphs: whoever writes, compares or runs one takes them from here."""

CLIP = "clip"
TIME_STEP = "time_step"
PROBABILITY = "probability"
NEXT_PREFIX = "next_"
"""Before the name of a state, where it is an output."""
LAST_PREFIX = "last_"
"""Before the name of a layer's hidden state, in a clip graph: the last one. It is no output there,
but a graph that is to be looked into can be given it as such."""
LANES = "lanes"
"""The one symbolic dimension: lanes of the step graph, fixed by whoever loads it."""
