"""Possible duplicates on screens: the warning on a form, and the list of pairs."""
