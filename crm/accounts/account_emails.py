"""Emails about an account, with a link to choose a password.

They are no conversation, so they do not pass through the outbox: it stores what it sends in a thread that colleagues
read, and these links must be stored nowhere. A job makes the link when it sends the email; its arguments hold no
secret.
"""

from uuid import UUID

from django.conf import settings
from django.contrib.auth.tokens import default_token_generator
from django.core.mail import EmailMessage
from django.db import models
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode

from crm.models import User
from crm.runtime.job_queue import configure_job, enqueue

SEND_TASK = "crm.send_account_email"


class AccountEmail(models.TextChoices):
    """The kinds of email, with their subjects."""

    PASSWORD_RESET = "password_reset", "Choose a new password"
    INVITATION = "invitation", "Your account is ready"


def can_send() -> bool:
    """Return whether a mail server is configured."""
    return bool(settings.EMAIL_HOST)


def site_address(request: HttpRequest) -> str:
    """Return the address of the CRM for links: PUBLIC_URL, or the host that was asked, which Django has checked."""
    return settings.PUBLIC_URL or request.build_absolute_uri("/").rstrip("/")


def queue_email(user: User, kind: AccountEmail, site: str) -> None:
    """Queue an email to `user` with a link that begins with `site`."""
    enqueue(configure_job(SEND_TASK), user=str(user.pk), kind=str(kind), site=site)


def send_email(user_id: UUID, kind: AccountEmail, site: str) -> None:
    """Send an email of `kind`; nothing if the account was deactivated or deleted, or has no address."""
    user = User.objects.filter(pk=user_id, is_active=True).first()
    if user is None:
        return
    key = urlsafe_base64_encode(force_bytes(user.pk))
    path = reverse("admin:choose_password", args=[key, default_token_generator.make_token(user)])
    context = {
        "user": user,
        "agency": settings.AGENCY_NAME or "CRM",
        "link": site + path,
        "days": settings.PASSWORD_RESET_TIMEOUT // 86_400,
    }
    body = render_to_string(f"crm/accounts/{kind}.txt", context).strip() + "\n"
    EmailMessage(f"{context['agency']}: {kind.label}", body, to=[user.email]).send()
