"""The search over every table, and the commands: a page of its own, and the same in a box on every page."""
