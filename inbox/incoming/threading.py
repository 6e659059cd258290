"""Which emails belong to one thread. Pure: no database.

Emails are connected by identifiers (RFC 5256, THREAD=REFERENCES): Message-ID, In-Reply-To and References. An email
without references is connected only to emails with the same subject between the same participants: two strangers who
both write "Question" have nothing to do with each other, and an email without a sender is connected to none.
"""

import hashlib
from collections.abc import Sequence
from typing import Protocol

from inbox.incoming.parsing import normalize_subject


class ThreadedMessage(Protocol):
    """The attributes that threading reads from a parsed email or a stored message."""

    message_id: str
    in_reply_to: str
    references: Sequence[str]
    from_email: str
    subject: str

    @property
    def participants(self) -> tuple[str, ...]: ...


def threading_keys(mail: ThreadedMessage) -> list[str]:
    """Return the identifiers that connect `mail` to others: its own, its In-Reply-To, and References, newest first."""
    related_ids = [one for one in (mail.in_reply_to, *reversed(mail.references)) if one]
    keys = [mail.message_id, *related_ids]
    if not related_ids and mail.from_email and (subject := normalize_subject(mail.subject)):
        keys.append(subject_key(subject, mail.participants))
    return list(dict.fromkeys(keys))


def subject_key(subject: str, people: tuple[str, ...]) -> str:
    """Return the key of a subject between certain participants. It cannot be confused with a Message-ID."""
    text = "\n".join([subject, *sorted(people)])
    return f"subject:{hashlib.sha256(text.encode()).hexdigest()}"
