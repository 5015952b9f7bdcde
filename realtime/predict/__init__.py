"""Whole files: a probability for every frame of many sources, in one file, resumable.

`session` runs it. `reading` gives the frames of a source through the live pipeline, `work` turns
one source into a `part` that lies in the `unfinished` folder beside the output, and `formats`
writes the parts into Parquet, CSV or JSON lines. `on_ray` spreads sources over a Ray cluster.
"""
