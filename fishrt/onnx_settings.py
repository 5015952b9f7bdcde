"""Settings of ONNX Runtime that everyone who opens a session gives it."""

SILENT_LOG_LEVEL = 4
"""Fatal messages only: our own sentence says the rest."""
NO_FALLBACK = "session.disable_cpu_ep_fallback"
"""Set to 1, a graph that a provider cannot run whole is refused: what it leaves to the CPU would be
neither as quick as was asked for, nor a proof of what the provider computes."""
