"""Promotion: a key gets an index while everyone works, and can lose it again."""
