"""Raw emails for tests, and the threads created from them."""

from datetime import timedelta

from django.utils import timezone

from inbox.models import Thread

OURS, LEE = "office@agency.example", "lee@example.com"
START = timezone.now() - timedelta(days=30)


def raw_email(name, *, by=LEE, to=OURS, subject="A question", refs=(), answers="", day=0, **headers) -> bytes:
    """Return an email received `day` days after START. Keyword arguments are headers, with _ for -."""
    lines = [
        f"From: {by}",
        f"To: {to}",
        f"Subject: {subject}",
        f"Message-ID: <{name}@x.example>",
        f"Date: {(START + timedelta(days=day)):%a, %d %b %Y %H:%M:%S +0000}",
        *(f"{key.replace('_', '-')}: {value}" for key, value in headers.items()),
    ]
    if answers:
        lines.append(f"In-Reply-To: <{answers}@x.example>")
    if refs:
        lines.append("References: " + " ".join(f"<{one}@x.example>" for one in refs))
    return ("\r\n".join(lines) + f"\r\n\r\nBody of {name}\r\n").encode()


def message_ids_by_thread() -> set[frozenset[str]]:
    """Return the live threads, each as the identifiers of its messages."""
    return {frozenset(thread.messages.values_list("message_id", flat=True)) for thread in Thread.objects.all()}
