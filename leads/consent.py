"""What a lead's contact preferences allow. Pure: no database.

`communications` holds an object for each channel. `do_not_contact` closes the channel; `consent: false` closes it for
messages that we begin, but the lead's own messages may still be answered. The same keys may stand for all channels
together.
"""

from collections.abc import Mapping
from typing import Any

CHANNELS = ("email", "phone", "sms")
CHANNEL_LABELS = {"email": "email", "phone": "phone", "sms": "text message"}
CLOSING_KEYS = ("do_not_contact", "opted_out")
# Short forms that an import may leave beside the channels.
CLOSING_SHORTCUTS = {"do_not_call": "phone", "do_not_email": "email", "do_not_text": "sms"}


def closed_channels(communications: Mapping[str, Any], *, is_answer: bool = False) -> frozenset[str]:
    """Return the channels that must not be used; `is_answer`: for an answer to their own message."""
    if is_closed(communications, is_answer=is_answer):
        return frozenset(CHANNELS)
    closed = {name for name in CHANNELS if is_closed(communications.get(name), is_answer=is_answer)}
    closed |= {name for key, name in CLOSING_SHORTCUTS.items() if communications.get(key) is True}
    return frozenset(closed)


def is_closed(preferences: Any, *, is_answer: bool) -> bool:
    if not isinstance(preferences, Mapping):
        return False
    refused = any(preferences.get(key) is True for key in CLOSING_KEYS)
    return refused or (preferences.get("consent") is False and not is_answer)
