"""A package of its own: its browser is closed when its tests end, before tests that run an event loop themselves."""
