"""Colleagues who are named in a note as @username."""

import re

from django.db.models.functions import Lower

from crm.models import NotificationKind, User
from crm.records.activity import Actor
from crm.records.base import Record
from crm.records.notifications.notify import notify
from crm.records.notifications.staff import active_staff, load_with_permissions, may_open

# Not the middle of an email address.
MENTION = re.compile(r"(?<![\w.+@-])@([\w.+@-]{1,150})")
MAX_MENTIONS = 20
MAX_OFFERED = 8


def find_names(text: str) -> list[str]:
    """Return the names after an @ in `text`, in small letters; a sentence may end after one."""
    return list(dict.fromkeys(name.rstrip(".+@-").lower() for name in MENTION.findall(text)))[:MAX_MENTIONS]


def notify_mentioned(record: Record, text: str, *, by: Actor | User) -> list[User]:
    """Tell the members of staff named in `text`, a note on `record`. Return those who may not open it: they are not."""
    names = find_names(text)
    if not names:
        return []
    named = list(active_staff().alias(_name=Lower("username")).filter(_name__in=names).order_by("username"))
    told = notify(NotificationKind.MENTIONED, record, named, by=by)
    return [user for user in named if user not in told and user != Actor.of(by).user]


def explain_untold(users: list[User], record: Record) -> str:
    """Return a sentence, after a space, about the users who were named and not told; empty if all were."""
    if not users:
        return ""
    names = " and ".join(filter(None, [", ".join(map(str, users[:-1])), str(users[-1])]))
    verb = "was" if len(users) == 1 else "were"
    return f" {names} {verb} not told: no access to this {record._meta.verbose_name}."


def offer_names(record: Record, typed: str, *, to: User) -> list[User]:
    """Return members of staff who may open `record`, by a name or username that begins with `typed`; not `to`."""
    typed = typed.lower()
    staff = load_with_permissions(active_staff().exclude(pk=to.pk).order_by("first_name", "last_name", "username"))
    fitting = (user for user in staff if fits(user, typed) and may_open(user, record))
    return [user for user, _ in zip(fitting, range(MAX_OFFERED), strict=False)]


def fits(user: User, typed: str) -> bool:
    return any(part.lower().startswith(typed) for part in (user.username, *user.get_full_name().split()))
