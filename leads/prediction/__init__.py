"""Predict how likely a lead is to be won, from what was known when it was created and how earlier leads ended."""
