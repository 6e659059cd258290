"""Why the job of a promotion stops before the end."""


class ChangeStopped(Exception):
    """A person paused or undid the change while the job worked on it."""
