"""Seed leads and their related records. `timeline` creates the temporary table that all other modules read."""
