"""The daily email with what its reader has not seen. It goes the way of the emails about accounts, not the outbox.

The outbox stores what it sends in conversations that colleagues read.
"""

from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.core.mail import EmailMessage
from django.db import models, transaction
from django.db.models import F, Q
from django.db.models.functions import Coalesce
from django.template.loader import render_to_string
from django.urls import reverse

from crm.models import Notification, NotificationDigest, User
from crm.models.notification import DEFAULT_DIGEST_HOUR
from crm.records.local_time import agency_time
from crm.records.notifications.reading import NotificationLine, describe
from crm.records.notifications.staff import active_staff, load_readers
from crm.runtime.job_queue import configure_job, enqueue

SEND_DIGEST_TASK = "crm.send_digest"
MAX_EMAILED = 50


def queue_digests(now: datetime) -> int:
    """Queue the emails that are due at this hour, for users with something to read; return how many."""
    if not settings.EMAIL_HOST:
        return 0
    local = agency_time(now)
    waiting = models.Exists(Notification.objects.filter(reader=models.OuterRef("pk")).to_email())
    users = active_staff().filter(waiting).exclude(email="")
    users = users.alias(_hour=Coalesce("notification_digest__hour", DEFAULT_DIGEST_HOUR)).filter(_hour__lte=local.hour)
    is_new_day = Q(notification_digest__made_on=None) | Q(notification_digest__made_on__lt=local.date())
    keys = list(users.filter(is_new_day).values_list("pk", flat=True))
    for key in keys:
        enqueue(configure_job(SEND_DIGEST_TASK, queueing_lock=f"digest {key}"), user=str(key))
    return len(keys)


def send_digest(key: UUID, now: datetime) -> bool:
    """Send the user `key` the email of the day, unless it was made or nothing is left to tell; return whether.

    It is recorded before it is sent, so a crash leaves no email behind that would come twice.

    Raises:
        OSError: the mail server failed; nothing counts as told.
    """
    user = load_readers([key]).get(key)
    if user is None or not user.email:
        return False
    with transaction.atomic():
        told = claim_lines(user, now)
    if not told:
        return False
    try:
        compose_digest(user, told).send()
    except OSError:
        with transaction.atomic():
            give_back(user, told)
        raise
    return True


def claim_lines(user: User, now: datetime) -> list[NotificationLine]:
    """Return what the email of today tells `user`, and record that it was told; empty if it was made before.

    Records that the user may not open any more are left out.
    """
    today = agency_time(now).date()
    NotificationDigest.objects.get_or_create(user=user)
    digest = NotificationDigest.objects.select_for_update().get(user=user)
    if digest.made_on == today:
        return []
    rows = list(Notification.objects.filter(reader=user).to_email().select_for_update(of=("self",)))
    NotificationDigest.objects.filter(user=user).update(made_on=today)
    Notification.objects.filter(pk__in=[row.pk for row in rows]).update(emailed_count=F("count"))
    for row in rows:
        row.count -= row.emailed_count
    rows.sort(key=lambda row: row.changed_at, reverse=True)
    return [line for line in describe(rows, user) if line.url]


def give_back(user: User, told: list[NotificationLine]) -> None:
    """Let what no email has told after all be told later."""
    for line in told:
        Notification.objects.filter(pk=line.row.pk).update(emailed_count=line.row.emailed_count)
    NotificationDigest.objects.filter(user=user).update(made_on=None)


def hold_back_emails() -> None:
    """Treat what a restored backup would email as told: most of it was, after the backup."""
    Notification.objects.to_email().update(emailed_count=F("count"))


def compose_digest(user: User, told: list[NotificationLine]) -> EmailMessage:
    agency = settings.AGENCY_NAME or "CRM"
    context = {
        "user": user,
        "agency": agency,
        "lines": [(line, settings.PUBLIC_URL + line.url if settings.PUBLIC_URL else "") for line in told[:MAX_EMAILED]],
        "unlisted": len(told) - MAX_EMAILED,
        "page": settings.PUBLIC_URL + reverse("admin:notifications") if settings.PUBLIC_URL else "",
    }
    body = render_to_string("crm/notifications/digest.txt", context).strip() + "\n"
    count = f"{len(told):,} notification{'' if len(told) == 1 else 's'}"
    return EmailMessage(f"{agency}: {count}", body, to=[user.email])
