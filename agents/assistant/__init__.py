"""Answers questions about a lead from the facts on record, with their sources. It changes nothing."""
