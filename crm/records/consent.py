"""What the contact preferences of a lead or client allow. Pure: no database.

`communications` holds an object for each channel. `do_not_contact` closes the channel; `consent: false` closes it for
messages that we begin, but the person's own messages may still be answered. The same keys may stand for all channels
together.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

CHANNELS = ("email", "phone", "sms")
CHANNEL_LABELS = {"email": "email", "phone": "phone", "sms": "text message"}
# What a screen says of a channel that must not be used.
CLOSED_LABELS = {name: f"No {label}" for name, label in CHANNEL_LABELS.items()}
CLOSING_KEYS = ("do_not_contact", "opted_out")
# Short forms that an import may leave beside the channels.
CLOSING_SHORTCUTS = {"do_not_call": "phone", "do_not_email": "email", "do_not_text": "sms"}
# Of the channel email: the opening of emails is not tracked.
NO_TRACKING = "no_tracking"


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


def with_consent(communications: Mapping[str, Any], channel: str, *, at: datetime, words: str) -> dict[str, Any] | None:
    """Return `communications` with the consent that a person gave at `at` by agreeing to `words`.

    None if the preferences say something about the channel already.
    """
    preferences = communications.get(channel, {})
    is_closed_otherwise = channel in closed_channels(communications)
    if is_closed_otherwise or not isinstance(preferences, Mapping) or "consent" in preferences:
        return None
    consent = {"consent": True, "opted_in_at": at.isoformat(timespec="seconds"), "consent_words": words}
    return {**communications, channel: {**preferences, **consent}}


def closed_channel_labels(communications: Mapping[str, Any]) -> dict[str, str]:
    """Return what a screen says of each channel that must not be used: "No email", "No text message"."""
    closed = closed_channels(communications)
    return {channel: CLOSED_LABELS[channel] for channel in CHANNELS if channel in closed}


def closed_channel_path(channel: str) -> str:
    """Return the JSON path that finds what closes `channel` in `communications`, as `closed_channels` does."""
    tests = [f"{place}.{key} == true" for place in ("@", f"@.{channel}") for key in CLOSING_KEYS]
    tests += [f"{place}.consent == false" for place in ("@", f"@.{channel}")]
    tests += [f"@.{key} == true" for key, name in CLOSING_SHORTCUTS.items() if name == channel]
    return f"strict $ ? ({' || '.join(tests)})"


def is_refusal(key: str, value: Any) -> bool:
    """Whether `value` under `key` forbids something."""
    if key == "consent":
        return value is False
    return value is True and key in (*CLOSING_KEYS, *CLOSING_SHORTCUTS, NO_TRACKING)


def keep_refusals(preferences: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Return `preferences` with every refusal of `other`."""
    stricter = dict(preferences)
    for key, value in other.items():
        if isinstance(value, Mapping):
            own = preferences.get(key)
            inner = keep_refusals(own if isinstance(own, Mapping) else {}, value)
            if inner:
                stricter[key] = inner
        elif is_refusal(key, value):
            stricter[key] = value
    return stricter


def unite_preferences(first: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Return the preferences of `first` and, where it has none, those of `other`. A refusal of either one stays."""
    united = {**other, **first}
    for key in first.keys() & other.keys():
        if isinstance(first[key], Mapping) and isinstance(other[key], Mapping):
            united[key] = unite_preferences(first[key], other[key])
        elif first[key] in (None, ""):
            united[key] = other[key]
    return keep_refusals(united, other)
