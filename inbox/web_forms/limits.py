"""How many messages a web form accepts in an hour, from one sender and in total.

The counts are rows in the database, so all web machines share them. Only a digest of the network address is stored.
"""

from datetime import datetime, timedelta

from django.db import connection
from django.http import HttpRequest
from django.utils import timezone
from django.utils.crypto import salted_hmac

from crm.accounts.client_address import network_address
from inbox.models import RefusalReason, WebForm, WebFormRate
from inbox.web_forms.refusals import FormRefused

WINDOW = timedelta(hours=1)
ALL_SENDERS = ""
COUNT_SQL = """
    INSERT INTO web_form_rates AS rate (web_form_id, sender, window_start, count)
    VALUES (%(form)s, %(sender)s, %(now)s, 1)
    ON CONFLICT (web_form_id, sender) DO UPDATE
       SET count = CASE WHEN rate.window_start <= %(oldest)s THEN 1 ELSE rate.count + 1 END,
           window_start = CASE WHEN rate.window_start <= %(oldest)s THEN %(now)s ELSE rate.window_start END
    RETURNING count, window_start
"""


def count_attempt(web_form: WebForm, request: HttpRequest) -> None:
    """Count a message of the sender of `request`, in a transaction of its own.

    What one sender sends beyond the limit does not count for the others.

    Raises:
        FormRefused: the sender, or all senders together, reached the limit of the hour.
    """
    now = timezone.now()
    check_limit(web_form, sender_digest(request), web_form.hourly_limit_per_sender, now)
    check_limit(web_form, ALL_SENDERS, web_form.hourly_limit, now)


def check_limit(web_form: WebForm, sender: str, limit: int, now: datetime) -> None:
    params = {"form": web_form.pk, "sender": sender, "now": now, "oldest": now - WINDOW}
    with connection.cursor() as cursor:
        cursor.execute(COUNT_SQL, params)
        count, window_start = cursor.fetchone()
    if count > limit:
        seconds = max(1, int((window_start + WINDOW - now).total_seconds()) + 1)
        minutes = -(-seconds // 60)
        when = "in a minute" if minutes == 1 else f"in {minutes} minutes"
        raise FormRefused(RefusalReason.RATE, f"Too many messages were sent. Try again {when}.", retry_after=seconds)


def sender_digest(request: HttpRequest) -> str:
    """Return a keyed digest of the network address that `request` came from."""
    return salted_hmac("inbox.web_forms.sender", network_address(request), algorithm="sha256").hexdigest()


def forget_old_counts(now: datetime) -> int:
    """Delete the counts of past windows. Return how many."""
    return WebFormRate.objects.filter(window_start__lte=now - WINDOW).delete()[0]
