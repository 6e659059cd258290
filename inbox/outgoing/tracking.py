"""Tracking whether an email was opened and its proposal was viewed.

Only where PUBLIC_URL is set, and only for leads who have not opted out. An opening is a weak signal: many mail
programs fetch every picture by themselves, and others none.
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
PROPOSAL_LINK_TEXT = "You can also view the proposal here:"
TRACKING_NOTICE = "a tracking picture that tells us when it is opened"


def should_track(lead: Lead | None) -> bool:
    """Return whether the opening of an email to `lead` is tracked."""
    return bool(settings.PUBLIC_URL) and lead is not None and allows_tracking(lead.communications)


def allows_tracking(communications: dict[str, Any]) -> bool:
    """Return whether a lead with these `communications` has opted out of neither email nor tracking."""
    email = communications.get("email")
    if not isinstance(email, dict):
        return True
    has_opted_out = email.get("do_not_contact") is True or email.get("no_tracking") is True
    return not has_opted_out and email.get("consent") is not False


def tracking_token(message_id: str) -> str:
    """Return the secret part of the URL of a picture or proposal, which only we can compute.

    It is stored with the message, so that it stays valid when our keys change.
    """
    digest = salted_hmac("inbox.outgoing.tracking", message_id, algorithm="sha256").digest()[:TOKEN_BYTES]
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def public_page_url(name: str, token: str) -> str:
    """Return the public URL of the page `name` of inbox/public/urls.py."""
    return f"{settings.PUBLIC_URL}{reverse(name, args=[token])}"


def add_proposal_link(text: str, token: str) -> str:
    """Return `text` with a line that links to the proposal."""
    return f"{text}\n\n{PROPOSAL_LINK_TEXT} {public_page_url('public_proposal', token)}"


def add_tracking_pixel(html: str, token: str) -> str:
    """Return `html` with an invisible picture at its end."""
    picture = format_html('<img src="{}" width="1" height="1" alt="">\n', public_page_url("public_picture", token))
    before, closing_tag, after = html.rpartition("</body>")
    return f"{before}{picture}{closing_tag}{after}"


def remove_tracking_pixel(html: str, token: str) -> str:
    """Return `html` without the tracking picture, for our own Sent folder: there we open it ourselves."""
    return re.sub(rf'<img src="[^"]*/{re.escape(token)}\.gif"[^>]*>\n', "", html)
