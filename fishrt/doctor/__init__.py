"""What this machine can do for fishrt, tried out rather than looked up.

Every check is a function that gives findings and never raises on purpose; what may crash or hang
(a provider, TensorFlow, a camera) is tried in a process of its own, with a time limit.
"""

from fishrt.doctor.examine import CHECKS, examine
from fishrt.doctor.finding import Finding, Level, worst

__all__ = ["CHECKS", "Finding", "Level", "examine", "worst"]
