"""The NVIDIA GPU and TensorRT engines, for export and for the realtime loop."""
