"""What a mail of ours carries, so that we learn that it was opened and that its proposal was looked at.

Only where PUBLIC_URL says by which address people outside reach us, and only to leads who have not refused. An opening
is a weak sign: many mail programs fetch every picture by themselves, and others none.
"""

import base64
import re
from typing import Any

from django.conf import settings
from django.urls import reverse
from django.utils.crypto import salted_hmac
from django.utils.html import format_html

from leads.models import Lead

TOKEN_BYTES = 16
PROPOSAL_LINK_TEXT = "The proposal can also be looked at here:"
TRACKING_NOTICE = "a small picture that tells us when it is opened"


def should_track(lead: Lead | None) -> bool:
    """Whether a mail to `lead` tells us of its being opened."""
    return bool(settings.PUBLIC_URL) and lead is not None and allows_tracking(lead.communications)


def allows_tracking(communications: dict[str, Any]) -> bool:
    """Whether a lead with these `communications` has refused neither mail nor that its opening is noted."""
    email = communications.get("email")
    if not isinstance(email, dict):
        return True
    has_opted_out = email.get("do_not_contact") is True or email.get("no_tracking") is True
    return not has_opted_out and email.get("consent") is not False


def tracking_token(message_id: str) -> str:
    """What the address of a picture or proposal is known by: it tells nothing, and nobody else can make it.

    Kept with the message, so that it works as long as that, whatever becomes of our keys.
    """
    digest = salted_hmac("inbox.outgoing.tracking", message_id, algorithm="sha256").digest()[:TOKEN_BYTES]
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def public_page_url(name: str, token: str) -> str:
    """Where people outside find the page `name` of inbox/public/urls.py."""
    return f"{settings.PUBLIC_URL}{reverse(name, args=[token])}"


def add_proposal_link(text: str, token: str) -> str:
    """`text` with a line that leads to the proposal."""
    return f"{text}\n\n{PROPOSAL_LINK_TEXT} {public_page_url('public_proposal', token)}"


def add_tracking_pixel(html: str, token: str) -> str:
    """The HTML `html` with a picture at its end that nobody sees."""
    picture = format_html('<img src="{}" width="1" height="1" alt="">\n', public_page_url("public_picture", token))
    before, closing_tag, after = html.rpartition("</body>")
    return f"{before}{picture}{closing_tag}{after}"


def remove_tracking_pixel(html: str, token: str) -> str:
    """`html` as our own mailbox keeps it: there it is we who open it."""
    return re.sub(rf'<img src="[^"]*/{re.escape(token)}\.gif"[^>]*>\n', "", html)
