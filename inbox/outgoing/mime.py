"""A message as MIME: the bytes that are handed to the mail server."""

import re
from datetime import UTC
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import EmailPolicy
from email.utils import format_datetime
from hashlib import sha256
from typing import Any

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from crm.text.html.markup import markup_to_html, plain_to_html
from inbox.attachments import read_attachment
from inbox.models import Message
from inbox.outgoing.tracking import remove_tracking_pixel

# The Message-IDs that we repeat in a reference header; other programs put anything into theirs.
SENDABLE_MESSAGE_ID = re.compile(r"<[!-;=?-~]{1,900}>")
REFERENCE_HEADERS = {"references", "in-reply-to"}
MAX_SENT_REFERENCES = 20
ANY_LINE_BREAK = re.compile("\r\n|[\r\v\f\x1c\x1d\x1e\x85\u2028\u2029]")
CONTROL_CHARACTERS = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f]")


class MailPolicy(EmailPolicy):
    """The SMTP policy, but Message-IDs are never split: the standard policy encodes long ones."""

    def fold(self, name: str, value: Any) -> str:
        if name.lower() in REFERENCE_HEADERS:
            return f"{name}: " + "\r\n ".join(str(value).split()) + "\r\n"
        return super().fold(name, value)

    def fold_binary(self, name: str, value: Any) -> bytes:
        return self.fold(name, value).encode("ascii", "surrogateescape")


# ASCII only, so that every server takes it unchanged.
SMTP_POLICY = MailPolicy(linesep="\r\n", cte_type="7bit")


def build_email(message: Message, *, for_sent_folder: bool = False) -> bytes:
    """Return the bytes of `message`: the text, the same as HTML, and the attachments.

    They are the same each time, so the copy in the Sent folder is what was sent; its date is `sent_at`. Only the copy
    `for_sent_folder` has no tracking picture.

    Raises:
        IllegalTransition: an attached file has changed since.
    """
    email_message = EmailMessage(policy=SMTP_POLICY)
    email_message["From"] = Address(message.from_name, addr_spec=message.from_email)
    email_message["To"] = [header_address(one) for one in message.to_emails]
    if message.cc_emails:
        email_message["Cc"] = [header_address(one) for one in message.cc_emails]
    if message.reply_to:
        email_message["Reply-To"] = Address(message.from_name, addr_spec=message.reply_to)
    email_message["Subject"] = message.subject
    email_message["Date"] = format_datetime(message.sent_at.astimezone(UTC))
    email_message["Message-ID"] = message.message_id
    if SENDABLE_MESSAGE_ID.fullmatch(message.in_reply_to):
        email_message["In-Reply-To"] = message.in_reply_to
        email_message["References"] = " ".join(message.references or reference_chain(message))
    email_message.set_content(message.body_text, cte="quoted-printable")
    html = (
        remove_tracking_pixel(message.body_html, message.token)
        if for_sent_folder and message.token
        else message.body_html
    )
    email_message.add_alternative(html, subtype="html", cte="quoted-printable")
    add_attachments(email_message, message)
    set_boundaries(email_message)
    return email_message.as_bytes()


def header_address(address: str) -> Address:
    """Return `address` for a header, also with dots where the standard allows none."""
    username, _, domain = address.rpartition("@")
    return Address(username=username, domain=domain)


def set_boundaries(email_message: EmailMessage) -> None:
    """Set boundaries that follow from the Message-ID; encoded text never contains "=_"."""
    name = sha256(email_message["Message-ID"].encode()).hexdigest()[:24]
    for number, part in enumerate(part for part in email_message.walk() if part.is_multipart()):
        part.set_boundary(f"=_{name}_{number}")


def add_attachments(email_message: EmailMessage, message: Message) -> None:
    """Add the files of `message` to `email_message`; an invitation also as the part that calendars read."""
    files = [(entry, read_attachment(entry)) for entry in message.attachments]
    for entry, data in files:
        if entry.get("inline"):
            email_message.add_alternative(
                data.decode(), subtype="calendar", params={"method": "REQUEST"}, cte="quoted-printable"
            )
    for entry, data in files:
        kind, _, subtype = entry["type"].partition("/")
        email_message.add_attachment(data, maintype=kind, subtype=subtype, filename=entry["name"], cte="base64")


def reference_chain(message: Message) -> list[str]:
    """Return the Message-IDs from the first message of the thread to the one that `message` answers.

    Those of messages that we do not have come from the references of the oldest message that we have.
    """
    rows = Message.objects.filter(thread=message.thread_id).exclude(message_id="")
    headers_by_id = {
        name: (parent, named_ids)
        for name, parent, named_ids in rows.values_list("message_id", "in_reply_to", "references")
    }
    chain: list[str] = []
    current, named_ids = message.in_reply_to, []
    while SENDABLE_MESSAGE_ID.fullmatch(current) and current not in chain:
        chain.insert(0, current)
        current, named_ids = headers_by_id.get(current, ("", named_ids))
    older = [one for one in dict.fromkeys(named_ids) if SENDABLE_MESSAGE_ID.fullmatch(one) and one not in chain]
    chain = [*older, *chain]
    return chain if len(chain) <= MAX_SENT_REFERENCES else [chain[0], *chain[1 - MAX_SENT_REFERENCES :]]


def clean_body_text(text: str) -> str:
    """Return `text` with one kind of line break and without control characters."""
    return CONTROL_CHARACTERS.sub("", ANY_LINE_BREAK.sub("\n", text)).strip("\n")


def text_to_html(text: str) -> SafeString:
    """Return `text` as the HTML of an email: paragraphs, line breaks, and links for web and email addresses."""
    return html_page(plain_to_html(text))


def composed_to_html(written: str, below: str) -> SafeString:
    """Return the HTML of an email: what a person has `written`, with its mark-up, and the plain text `below`."""
    parts = [markup_to_html(written), plain_to_html(below)] if below else [markup_to_html(written)]
    return html_page(format_html_join("\n", "{}", ((part,) for part in parts)))


def html_page(body: SafeString) -> SafeString:
    return format_html("<html><body>\n{}\n</body></html>\n", body)
