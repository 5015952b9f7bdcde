"""fishrt: forecasts bursts of group motion in overhead video of fish, live.

This package holds the words and contracts that the other three share; it imports no
TensorFlow, and nothing of `training`, `export` or `realtime` outside command bodies.
"""

__version__ = "0.1.0"
