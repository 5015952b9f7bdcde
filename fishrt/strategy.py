"""How training is spread over devices; apart from the config, light for the command line."""

import enum


class Strategy(enum.StrEnum):
    """What `fishrt train --strategy` takes."""

    NONE = "none"
    MIRRORED = "mirrored"
    MULTI_WORKER = "multi-worker"
