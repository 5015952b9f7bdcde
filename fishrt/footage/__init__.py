"""The footage check: what in a video will mislead the labels, and what to do about it."""
