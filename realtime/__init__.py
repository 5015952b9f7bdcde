"""Live forecasting: capture, lanes, steppers, the loop, sinks and views.

Imports `fishrt`, NumPy, OpenCV, ONNX Runtime and rich; never TensorFlow, `training` or `export`.
"""
