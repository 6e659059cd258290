"""Transitions of accounts: what a login leaves behind, allowing logins again, passwords and sessions."""

from collections.abc import Iterable

from django.contrib.auth.models import Group
from django.db import transaction
from django.template.defaultfilters import pluralize
from django.utils import timezone

from crm.accounts.account_emails import AccountEmail, queue_email
from crm.accounts.login_limits import Count, LoginTry, count_reset, in_minutes, remember_address
from crm.exceptions import IllegalTransition, NotPermitted, errors_as_invalid_input
from crm.models import ActorType, LimitScope, LoginLimit, User, UserSession
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


def ask_for_password_reset(email: str, *, address: str, site: str) -> None:
    """Queue an email with a link for each active account with this email address and a password.

    Raises:
        LoginBlocked: too many links were asked for, for this email address or from this network address.
    """
    count_reset(LoginTry(email, address))
    stranger = Actor(ActorType.EXTERNAL, name=address)
    for user in User.objects.filter(email__iexact=email, is_active=True):
        if user.has_usable_password():
            with transaction.atomic():
                queue_email(user, AccountEmail.PASSWORD_RESET, site)
                record(user, "password_reset_asked", by=stranger, summary=f"Password reset asked for from {address}.")


def record_password_change(user: User, *, by: User) -> None:
    """Log that `user` has a new password. Django ends all sessions that were begun with another."""
    record(user, "password_changed", by=by, summary="Password changed; all other sessions ended.")


@transaction.atomic
def end_sessions(sessions: Iterable[UserSession], *, user: User, by: User) -> int:
    """End sessions of `user`. Return how many there still were.

    Raises:
        NotPermitted: they are those of another user.
    """
    if by.pk != user.pk:
        raise NotPermitted(f"{by} may not end the sessions of {user}.")
    keys = [session.session_key for session in sessions]
    count, _ = UserSession.objects.filter(user=user, session_key__in=keys).delete()
    if count:
        record(user, "sessions_ended", by=by, summary=f"{count:,} session{pluralize(count)} ended.")
    return count


@transaction.atomic
def invite(user: User, role: Group, *, by: User, site: str) -> None:
    """Create the account of a new colleague in `role`, and queue an email with a link to choose a password.

    Raises:
        NotPermitted: `by` may not add accounts and decide what they may do.
        InvalidInput: a field or constraint refuses it.
    """
    Actor.of(by).require_permission("crm.add_user", "invite a colleague")
    user.is_staff = True
    user.set_unusable_password()
    with errors_as_invalid_input():
        user.save()
    user.groups.set([role])
    send_invitation(user, by=by, site=site, role=role)


@transaction.atomic
def send_invitation(user: User, *, by: User, site: str, role: Group | None = None) -> None:
    """Queue an email with a link to choose the first password.

    Raises:
        NotPermitted: `by` may not change accounts.
        IllegalTransition: the account is inactive, has a password or has no email address.
    """
    Actor.of(by).require_permission("crm.change_user", "invite a colleague")
    if user.has_usable_password() or not user.is_active or not user.email:
        raise IllegalTransition(f"{user} cannot be invited: the account is inactive, has a password or has no email.")
    queue_email(user, AccountEmail.INVITATION, site)
    summary = f"Invited {user} as {role}." if role else f"Invited {user} again."
    record(user, "invited", by=by, summary=summary)
