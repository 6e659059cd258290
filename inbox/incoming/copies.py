"""Tells copies of one email from different emails that use one Message-ID. Pure: no database.

Scanners and web forms send each email under the same Message-ID. A mailing list, on the other hand, changes the
subject, the sender and the end of the text of a copy, but not its date. An email with a file that the stored one does
not have is kept, too: nothing may be lost.
"""

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from inbox.incoming.parsing import MAX_CLOCK_ERROR, ParsedEmail, normalize_subject
from inbox.models import Message

# The key in `media` of a message that names no date.
DATE_UNKNOWN = "date_unknown"
MAX_COMPARED_LENGTH = 2_000
# A message that was stored so soon after its date may have claimed a date in the future.
MAX_STORING_DELAY = timedelta(minutes=5)
NOT_A_LETTER = re.compile(r"[\W_]+")


@dataclass(frozen=True)
class MessageDate:
    """The date of an email, None if unknown. `stored_at` is None for an email that is not stored yet."""

    sent_at: datetime | None
    stored_at: datetime | None = None

    def matches(self, sent_at: datetime | None) -> bool:
        """Return whether an email that names the date `sent_at` can be a copy of this one."""
        if sent_at is None or self.sent_at is None:
            return True
        # The header of an email that we sent gives whole seconds.
        if sent_at.replace(microsecond=0) == self.sent_at.replace(microsecond=0):
            return True
        # A date in the future was stored as the time of the arrival.
        if self.stored_at is None or self.stored_at - self.sent_at > MAX_STORING_DELAY:
            return False
        return self.sent_at < sent_at <= self.stored_at + MAX_CLOCK_ERROR


@dataclass(frozen=True)
class EmailIdentity:
    """What a copy of an email shares with it."""

    date: MessageDate
    subject: str
    letters: str
    files: frozenset[str]

    @property
    def digest(self) -> str:
        """A digest of the identity."""
        parts = [str(self.date.sent_at), self.subject, self.letters, *sorted(self.files)]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    def is_copy_of(self, other: "EmailIdentity") -> bool:
        """Return whether this email, just read, is a copy of `other`."""
        if not other.date.matches(self.date.sent_at) or not self.files <= other.files:
            return False
        if self.letters and other.letters:
            shorter, longer = sorted((self.letters, other.letters), key=len)
            return longer.startswith(shorter)
        return self.subject == other.subject and self.letters == other.letters and self.files == other.files


def identity_of_email(mail: ParsedEmail) -> EmailIdentity:
    files = frozenset(hashlib.sha256(one.data).hexdigest() for one in mail.files)
    return EmailIdentity(MessageDate(mail.sent_at), normalize_subject(mail.subject), letters_of(mail.text), files)


def identity_of_message(message: Message) -> EmailIdentity:
    files = frozenset(str(one.get("sha256")) for one in message.attachments if isinstance(one, dict))
    letters = letters_of(message.body_text)
    return EmailIdentity(date_of_message(message), normalize_subject(message.subject), letters, files)


def date_of_message(message: Message) -> MessageDate:
    return MessageDate(None if DATE_UNKNOWN in message.media else message.sent_at, message.created_at)


def letters_of(text: str) -> str:
    """Return the letters and digits at the beginning of `text`."""
    return NOT_A_LETTER.sub("", text[:MAX_COMPARED_LENGTH]).casefold()
