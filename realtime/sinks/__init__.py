"""Sinks: where forecasts and events go, a module for each kind."""
