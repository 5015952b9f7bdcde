"""From forecasts to figures with uncertainty: the same for a run, a bundle and every baseline.

Nothing here needs TensorFlow, except the two baselines that are networks.
"""
