"""Programs that try one thing each, in a process of their own; see `fishrt.doctor.probe`."""
