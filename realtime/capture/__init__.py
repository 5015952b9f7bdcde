"""Capture: pictures from a source, stamped and handed over, also when the camera fails.

`capture.py` is what the loop asks; `link.py` is the thread that grabs; the rest is what is watched:
a camera that is lost, a picture that is frozen, a rate that is not right.
"""

from realtime.capture.capture import Capture
from realtime.capture.captured import Captured
from realtime.capture.policy import Pace, Policy, policy_of

__all__ = ["Capture", "Captured", "Pace", "Policy", "policy_of"]
