"""Training: from a recording to a fitted forecaster, its baselines and its evaluation."""
