"""The scoreboard: how good the forecasts are, learned while they are made."""
