"""How many examples a property test tries: some in each run, all of them in `make thorough`."""

from hypothesis import settings

THOROUGH = "thorough"
# The part of the examples that each run tries.
SHARE = 3
settings.register_profile(THOROUGH, deadline=None)


def examples(thorough: int) -> int:
    """Return `thorough` under `--hypothesis-profile=thorough`, else a third of it."""
    return thorough if settings.get_current_profile_name() == THOROUGH else -(-thorough // SHARE)
