"""Actions on the selected rows of a list: the form, what it would change, and its undoing."""
