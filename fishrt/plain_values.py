"""Values that JSON and YAML have words for."""

import math
from typing import Any

import numpy as np


def plain(value: Any) -> Any:
    """The same in plain types, and without numbers that JSON does not know: they become None.

    Args:
        value: A mapping, a sequence, a value of NumPy or an enum of strings, or of Python's own
            plain types; mappings and sequences may hold all of these.
    """
    if isinstance(value, dict):
        return {str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [plain(entry) for entry in value]
    if isinstance(value, str):
        return str(value)  # a plain one: YAML takes no enum
    if isinstance(value, np.generic):
        return plain(value.item())
    return None if isinstance(value, float) and not math.isfinite(value) else value
