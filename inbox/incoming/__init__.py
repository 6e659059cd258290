"""Taking mail in: one way for all sources, the same whatever the order, and without effect the second time."""
