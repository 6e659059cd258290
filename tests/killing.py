"""A worker that is killed at a chosen line."""


class Killed(BaseException):
    """The process ends here."""


def kill_at(monkeypatch, module, name, *, after=False):
    """Kill the process at the call of `name`, or right after it."""
    whole = getattr(module, name)

    def killed(*args, **kw):
        if after:
            whole(*args, **kw)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(module, name, killed)
        yield
