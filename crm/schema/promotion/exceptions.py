"""Why the job of a promotion stops before the end."""


class ChangeLocked(Exception):
    """Another job works on the change, or is about to notice that it was stopped."""


class ChangeStopped(Exception):
    """A person paused or undid the change while the job worked on it."""
