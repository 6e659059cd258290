"""The cast of all tests: a few users and plain functions that create records."""

import itertools
import re
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import Group, Permission
from django.db import models
from django.test import Client as Browser
from django.utils import timezone
from django.utils.crypto import get_random_string

from crm.accounts.sessions import SEEN_KEY, SessionStore
from crm.models import Client, Contact, User, UserSession
from crm.records.activity import SYSTEM_ACTOR
from crm.records.local_time import agency_today
from crm.screens.panels import CountedFigure, count_figures
from inbox.models import Direction, Message, Thread, ThreadSource
from inbox.transitions import add_to_thread
from leads.models import InsuranceType, Lead, Policy, PolicyStatus
from leads.transitions import create_lead
from suggestions.models import Suggestion, SuggestionType
from suggestions.transitions import propose
from support.models import SupportTicket
from support.transitions import open_ticket

PASSWORD = "correct horse battery staple"
numbers = itertools.count(1)


def make_user(username: str, role: str | None = None, **kw: Any) -> User:
    """Create a user in the group `role` (None: in no group)."""
    kw.setdefault("first_name", username.capitalize())
    user = User.objects.create_user(username, f"{username}@agency.example", PASSWORD, is_staff=True, **kw)
    if role:
        user.groups.add(Group.objects.get(name=role))
    return user


def allow_export(user: User) -> None:
    """Let `user` export lists, which only managers and administrators may by themselves."""
    user.user_permissions.add(Permission.objects.get(codename="export_records"))


def browser(user: User | None) -> Browser:
    """Return a test client logged in as `user`; its session is one row, where Django's login takes 15 statements."""
    client = Browser()
    if user is not None:
        client.cookies[settings.SESSION_COOKIE_NAME] = begin_session(user).session_key
    return client


def begin_session(user: User) -> UserSession:
    """Create the session of a user who has logged in."""
    store = SessionStore()
    login = {
        SESSION_KEY: str(user.pk),
        BACKEND_SESSION_KEY: settings.AUTHENTICATION_BACKENDS[0],
        HASH_SESSION_KEY: user.get_session_auth_hash(),
        SEEN_KEY: int(time.time()),
    }
    return UserSession.objects.create(
        user=user,
        session_key=get_random_string(32),
        session_data=store.encode(login),
        expire_date=store.get_expiry_date(),
    )


def page_text(response: Any) -> str:
    """Return the HTML of a response with all whitespace collapsed, as a browser shows it."""
    return " ".join(response.content.decode().split())


def figure_value(figure: CountedFigure) -> str:
    """Return what the dashboard shows of a figure that it counts."""
    return count_figures([figure])[0].value


def page_with_sections(client: Browser, url: str) -> str:
    """Return the HTML of the page at `url` and of the sections that it fetches as it is scrolled."""
    page = client.get(url).content.decode()
    sections = re.findall(r'hx-get="([^"]+)"', page)
    return page + "".join(client.get(one, headers={"HX-Request": "true"}).content.decode() for one in sections)


def make_lead(**kw: Any) -> Lead:
    """Create a lead; `line` may be a code, `status_id` a stage."""
    number = next(numbers)
    kw.setdefault("contact_name", f"Lee Lead {number}")
    kw.setdefault("contact_email", f"lead{number}@example.com")
    if "line" in kw:
        kw["insurance_type"] = InsuranceType.objects.get(code=kw.pop("line"))
    lead = Lead(**kw)
    create_lead(lead, by=SYSTEM_ACTOR)
    return lead


def copy_record(record: models.Model, count: int, vary: Callable[[int], dict[str, Any]]) -> list[models.Model]:
    """Store `count` copies of `record` in one statement, without timelines: rows that fill a page.

    `vary` returns the fields of the n-th copy that differ.
    """
    model = type(record)
    fields = [field for field in model._meta.concrete_fields if not field.generated and not field.primary_key]
    copies = [model(**{field.attname: getattr(record, field.attname) for field in fields}) for _ in range(count)]
    for number, copied in enumerate(copies):
        for name, value in vary(number).items():
            setattr(copied, name, value)
    return model._base_manager.bulk_create(copies)


def copy_lead(lead: Lead, count: int) -> list[Lead]:
    """Store `count` leads like `lead`, each with an address of its own."""
    return copy_record(lead, count, lambda number: {"contact_email": f"copy{next(numbers)}@example.com"})


def make_client(**kw: Any) -> Client:
    kw.setdefault("name", f"Clement Client {next(numbers)}")
    return Client.objects.create(**kw)


def make_policy(**kw: Any) -> Policy:
    """Create an active policy that expires in 30 days; `line` may be a code, `days_left` the days until it expires."""
    today = agency_today()
    expires_on = kw.setdefault("expires_on", today + timedelta(days=kw.pop("days_left", 30)))
    defaults = {
        "status": PolicyStatus.ACTIVE,
        "carrier": "Harbor Mutual",
        "number": f"HM-{next(numbers)}",
        "premium": 1_200,
        "effective_on": expires_on and expires_on - timedelta(days=365),
    }
    kw["insurance_type"] = InsuranceType.objects.get(code=kw.pop("line", "auto"))
    if "client" not in kw:
        kw["client"] = make_client()
    return Policy.objects.create(**{**defaults, **kw})


def make_contact(**kw: Any) -> Contact:
    number = next(numbers)
    kw.setdefault("name", f"Connie Contact {number}")
    kw.setdefault("email", f"contact{number}@example.com")
    return Contact.objects.create(**kw)


def make_thread(**kw: Any) -> Thread:
    kw.setdefault("source", ThreadSource.EMAIL)
    kw.setdefault("subject", f"Question {next(numbers)}")
    return Thread.objects.create(**kw)


def make_ticket(**kw: Any) -> SupportTicket:
    if "client" not in kw:
        kw["client"] = make_client()
    kw.setdefault("subject", f"Trouble {next(numbers)}")
    ticket = SupportTicket(**kw)
    open_ticket(ticket, by=SYSTEM_ACTOR)
    return ticket


def make_suggestion(type: str = SuggestionType.TASK, **kw: Any) -> Suggestion:
    """Create a waiting suggestion for a lead."""
    if type == SuggestionType.CREATE_LEAD:
        kw.setdefault("lead", None)
    if "lead" not in kw and "client" not in kw:
        kw["lead"] = make_lead()
    if type == SuggestionType.LINK_THREAD:
        kw.setdefault("thread", make_thread())
    if type == SuggestionType.REPLY and "thread" not in kw:
        kw["thread"] = make_thread(lead=kw.get("lead"), client=kw.get("client"))
        address = (kw.get("lead") and kw["lead"].contact_email) or "lee@example.com"
        message_fields = {"direction": Direction.IN, "from_email": address, "body_text": "How much is it?"}
        add_to_thread(Message(thread=kw["thread"], sent_at=timezone.now() - timedelta(hours=1), **message_fields))
    if type == SuggestionType.RESOLVE_TICKET and "ticket" not in kw:
        kw["ticket"] = make_ticket()
    contents = {
        SuggestionType.TASK: lambda: {"title": "Call back"},
        SuggestionType.CHANGE_STATUS: lambda: {"status": "ACTIVE", "fromStatus": kw["lead"].status_id},
        SuggestionType.CREATE_LEAD: lambda: {"contactName": "Nora New", "contactEmail": "nora@example.com"},
        SuggestionType.CONVERT_LEAD: dict,
        SuggestionType.RESOLVE_TICKET: lambda: {"summary": "Sent the card again."},
        SuggestionType.FOLLOW_UP: lambda: {
            "reason": "Silent for a week.",
            "suggestedAction": "SEND_EMAIL",
            "message": "Ask about the quote.",
        },
        SuggestionType.REPLY: lambda: {"body": "It is 100 a month."},
        SuggestionType.SEND_EMAIL: lambda: {"subject": "Your quote", "body": "Dear {{first_name}}, here it is."},
        SuggestionType.SCHEDULE_CALL: lambda: {
            "suggestedTimes": [(timezone.now() + timedelta(days=3)).replace(microsecond=0).isoformat()]
        },
        SuggestionType.SEND_PROPOSAL: lambda: {
            "title": "Car insurance",
            "amount": "1200.50",
            "validUntil": str(timezone.localdate() + timedelta(days=30)),
            "body": "Dear {{first_name}}, this is our offer.",
        },
        SuggestionType.PR: lambda: {
            "repository": "agency/website",
            "title": "Correct the opening hours",
            "head": "opening-hours",
            "base": "main",
        },
    }
    kw.setdefault("suggested_content", contents.get(type, dict)())
    return propose(Suggestion(type=type, **kw), by=SYSTEM_ACTOR)
