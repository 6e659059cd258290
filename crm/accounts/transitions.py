"""Transitions of accounts: what a login leaves behind, and allowing logins again."""

from django.db import transaction
from django.utils import timezone

from crm.accounts.login_limits import Count, LoginTry, in_minutes, remember_address
from crm.exceptions import IllegalTransition
from crm.models import ActorType, LimitScope, LoginLimit, User
from crm.records.activity import Actor, record
from crm.records.transitions import permission_name


@transaction.atomic
def record_failed_login(login: LoginTry, counts: list[Count], user: User | None) -> None:
    """Log a failed login of `user`, or of an unknown username, with the wait that it began.

    An unknown username is logged only with a wait of its address: it may be a password that was typed by mistake.
    """
    stranger = Actor(ActorType.EXTERNAL, name=login.address)
    if user is not None:
        mine = [counted.digest for counted in counts if counted.scope != LimitScope.ADDRESS]
        LoginLimit.objects.filter(digest__in=mine).update(user=user)
        counted = next(counted for counted in counts if counted.digest in mine)
        summary = f"Failed login from {login.address}, {counted.failures} in a row{describe_wait(counted)}"
        record(user, "login_failed", by=stranger, summary=summary)
    for counted in counts:
        if counted.scope == LimitScope.ADDRESS and counted.blocked_until:
            limit = LoginLimit.objects.get(digest=counted.digest)
            summary = f"{counted.failures} failed logins from {login.address}{describe_wait(counted)}"
            record(limit, "login_blocked", by=stranger, summary=summary)


def describe_wait(counted: Count) -> str:
    """Return how the log goes on after a failed login: with the wait that it began, or a full stop."""
    if not counted.blocked_until:
        return "."
    seconds = int((counted.blocked_until - timezone.now()).total_seconds())
    return f". The next try is possible {in_minutes(max(1, seconds))}."


@transaction.atomic
def record_login(user: User, address: str) -> None:
    """Log that `user` has logged in from `address`, which is known from now on."""
    is_new = remember_address(user, address)
    summary = f"Logged in from {address}{', for the first time' if is_new else ''}."
    record(user, "logged_in", by=user, summary=summary)


@transaction.atomic
def unblock(limit: LoginLimit, *, by: User) -> None:
    """Allow logins again that `limit` refuses, and begin counting anew.

    Raises:
        NotPermitted: `by` may not do so.
        IllegalTransition: no login has failed since.
    """
    Actor.of(by).require_permission(permission_name(LoginLimit, "unblock"), "allow logins again")
    if LoginLimit.objects.with_failures().filter(pk=limit.pk).update(failures=0, blocked_until=None) != 1:
        raise IllegalTransition(f"{limit} is not blocked any more.")
    place = f" from {limit.address}" if limit.address and limit.user else ""
    record(limit.user or limit, "login_unblocked", by=by, summary=f"Logins of {limit}{place} allowed again.")
