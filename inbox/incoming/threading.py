"""Which mails are of one conversation. Pure: no database.

Mails are tied by identifiers (RFC 5256, THREAD=REFERENCES): what a mail is called, what it answers, and the chain
it names. Where a mail names none, it is tied to mails of the same subject between the same people, and to no others:
two strangers who both write "Question" have nothing to do with each other.
"""

import hashlib
from collections.abc import Sequence
from typing import Protocol

from inbox.incoming.parsing import normalize_subject


class ThreadedMessage(Protocol):
    """What is asked of a mail, or of the message that it has become."""

    message_id: str
    in_reply_to: str
    references: Sequence[str]
    subject: str

    @property
    def participants(self) -> tuple[str, ...]: ...


def threading_keys(mail: ThreadedMessage) -> list[str]:
    """Every identifier that ties `mail` to others: its own, that of what it answers, and the chain, the last first."""
    related_ids = [one for one in (mail.in_reply_to, *reversed(mail.references)) if one]
    keys = [mail.message_id, *related_ids]
    if not related_ids and (subject := normalize_subject(mail.subject)):
        keys.append(subject_key(subject, mail.participants))
    return list(dict.fromkeys(keys))


def subject_key(subject: str, people: tuple[str, ...]) -> str:
    """The identifier of a subject between certain people; no Message-ID looks like it."""
    text = "\n".join([subject, *sorted(people)])
    return f"subject:{hashlib.sha256(text.encode()).hexdigest()}"
