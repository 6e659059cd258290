"""Which columns a list shows, in which order, and their cells."""
