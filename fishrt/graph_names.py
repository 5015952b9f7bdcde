"""Names in the exported graphs: whoever writes, compares or runs one takes them from here."""

TIME_STEP = "time_step"
PROBABILITY = "probability"
NEXT_PREFIX = "next_"
"""Before the name of a state, where it is an output."""
LANES = "lanes"
"""The one symbolic dimension: lanes of the step graph, fixed by whoever loads it."""
