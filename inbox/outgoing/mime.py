"""A message as a mail: the bytes that are handed to the mail server."""

import re
from datetime import UTC
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import EmailPolicy
from email.utils import format_datetime
from hashlib import sha256
from typing import Any
from urllib.parse import quote

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from inbox.attachments import contents
from inbox.models import Message
from inbox.outgoing.tracking import without_picture

# What a line of references holds: other people's identifiers, of which some hold anything.
IDENTIFIER = re.compile(r"<[!-;=?-~]{1,900}>")
CHAINS = {"references", "in-reply-to"}
MOST_REFERENCES = 20
LINK = re.compile(r"(https?://[^\s<>\"']*[^\s<>\"'.,;:!?)\]])|(?<![\w.+-])([\w.+-]+@[\w-]+(?:\.[\w-]+)+)", re.ASCII)
BREAKS = re.compile("\r\n|[\r\v\f\x1c\x1d\x1e\x85\u2028\u2029]")
CONTROL = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f]")


class MailPolicy(EmailPolicy):
    """As for SMTP, but identifiers are never taken apart: the standard one encodes those that are long."""

    def fold(self, name: str, value: Any) -> str:
        if name.lower() in CHAINS:
            return f"{name}: " + "\r\n ".join(str(value).split()) + "\r\n"
        return super().fold(name, value)

    def fold_binary(self, name: str, value: Any) -> bytes:
        return self.fold(name, value).encode("ascii", "surrogateescape")


# Every byte below 128, so that any server takes it as it is.
POLICY = MailPolicy(linesep="\r\n", cte_type="7bit")


def letter(message: Message, *, ours: bool = False) -> bytes:
    """`message` as it goes to the mail server: text, the same as HTML, and what is attached.

    The same bytes each time: what is filed as sent is what was sent, its date that of the handing over (`sent_at`),
    but for the picture that notes an opening: the copy that is `ours` has none.

    Raises:
        IllegalMove: a file is no longer what was to be sent.
    """
    mail = EmailMessage(policy=POLICY)
    mail["From"] = Address(message.from_name, addr_spec=message.from_email)
    mail["To"] = [Address(addr_spec=one) for one in message.to_emails]
    if message.cc_emails:
        mail["Cc"] = [Address(addr_spec=one) for one in message.cc_emails]
    if message.reply_to:
        mail["Reply-To"] = Address(message.from_name, addr_spec=message.reply_to)
    mail["Subject"] = message.subject
    mail["Date"] = format_datetime(message.sent_at.astimezone(UTC))
    mail["Message-ID"] = message.message_id
    if IDENTIFIER.fullmatch(message.in_reply_to):
        mail["In-Reply-To"] = message.in_reply_to
        mail["References"] = " ".join(message.references or references(message))
    mail.set_content(message.body_text, cte="quoted-printable")
    page = without_picture(message.body_html, message.token) if ours and message.token else message.body_html
    mail.add_alternative(page, subtype="html", cte="quoted-printable")
    attach(mail, message)
    set_boundaries(mail)
    return mail.as_bytes()


def set_boundaries(mail: EmailMessage) -> None:
    """Part what consists of parts by words that follow from the Message-ID; "=_" stands in no encoded text."""
    name = sha256(mail["Message-ID"].encode()).hexdigest()[:24]
    for number, part in enumerate(part for part in mail.walk() if part.is_multipart()):
        part.set_boundary(f"=_{name}_{number}")


def attach(mail: EmailMessage, message: Message) -> None:
    """Put the files of `message` into `mail`; an invitation also where mail programs look for one."""
    files = [(entry, contents(entry)) for entry in message.attachments]
    for entry, data in files:
        if entry.get("inline"):
            mail.add_alternative(
                data.decode(), subtype="calendar", params={"method": "REQUEST"}, cte="quoted-printable"
            )
    for entry, data in files:
        kind, _, subtype = entry["type"].partition("/")
        mail.add_attachment(data, maintype=kind, subtype=subtype, filename=entry["name"], cte="base64")


def references(message: Message) -> list[str]:
    """The identifiers that lead from the first message of the conversation to the one that `message` answers.

    Those of messages that we do not have are taken from what the eldest that we have names itself.
    """
    rows = Message.objects.filter(thread=message.thread_id).exclude(message_id="")
    said = {name: (above, named) for name, above, named in rows.values_list("message_id", "in_reply_to", "references")}
    chain: list[str] = []
    at, named = message.in_reply_to, []
    while IDENTIFIER.fullmatch(at) and at not in chain:
        chain.insert(0, at)
        at, named = said.get(at, ("", named))
    before = [one for one in dict.fromkeys(named) if IDENTIFIER.fullmatch(one) and one not in chain]
    chain = [*before, *chain]
    return chain if len(chain) <= MOST_REFERENCES else [chain[0], *chain[1 - MOST_REFERENCES :]]


def plain(text: str) -> str:
    """`text` with one kind of line break, and without what no screen shows."""
    return CONTROL.sub("", BREAKS.sub("\n", text)).strip("\n")


def as_html(text: str) -> SafeString:
    """`text` as HTML: paragraphs, lines, and links where an address of a page or of a mailbox stands."""
    paragraphs = ([linked(line) for line in block.split("\n")] for block in re.split(r"\n{2,}", text))
    lines = ((format_html_join(SafeString("<br>\n"), "{}", ((line,) for line in block)),) for block in paragraphs)
    return format_html("<html><body>\n{}\n</body></html>\n", format_html_join("\n", "<p>{}</p>", lines))


def linked(line: str) -> SafeString:
    """`line` escaped, its addresses made into links."""
    parts, done = [], 0
    for found in LINK.finditer(line):
        page, mailbox = found.groups()
        target = page or f"mailto:{quote(mailbox, safe='@+')}"
        parts += [line[done : found.start()], format_html('<a href="{}">{}</a>', target, found[0])]
        done = found.end()
    return format_html_join("", "{}", ((part,) for part in [*parts, line[done:]]))
