"""Transitions of second factors."""

from django.contrib.auth.models import Group
from django.db import transaction
from django.utils import timezone

from crm.accounts.login_limits import LoginTry, count_code, release
from crm.accounts.second_factor import (
    matching_step,
    needs_second_factor,
    new_recovery_codes,
    new_secret,
    recovery_digest,
)
from crm.exceptions import IllegalTransition, InvalidInput
from crm.models import RoleSecurity, SecondFactor, User
from crm.records.activity import Actor, record

WRONG_CODE = "That code is wrong or was used already. Enter the one that your app shows now."


@transaction.atomic
def start_second_factor(user: User) -> SecondFactor:
    """Return the unconfirmed second factor of `user`, a new one if there is none.

    Raises:
        IllegalTransition: `user` has a confirmed one.
        InvalidInput: no keys are set, so the secret cannot be encrypted.
    """
    factor = SecondFactor.objects.select_for_update(of=("self",)).select_related("user").filter(user=user).first()
    if factor is not None and factor.confirmed_at:
        raise IllegalTransition("You have a second factor already. Turn it off first.")
    return factor or SecondFactor.objects.create(user=user, secret=new_secret(user))


def confirm_second_factor(user: User, code: str, *, address: str) -> list[str]:
    """Turn the second factor of `user` on, with the first code of the app. Return the recovery codes.

    Raises:
        LoginBlocked: too many codes were wrong.
        InvalidInput: the code is wrong.
        IllegalTransition: it is on already, or was not begun.
    """
    counts = count_code(LoginTry(user.username, address))
    with transaction.atomic():
        factor = lock_factor(user, is_confirmed=False)
        step = matching_step(factor, code.strip().replace(" ", ""))
        if step is None:
            raise InvalidInput(WRONG_CODE)
        codes = new_recovery_codes()
        factor.confirmed_at, factor.last_step = timezone.now(), step
        factor.recovery_digests = [recovery_digest(user, recovery) for recovery in codes]
        factor.save()
        record(user, "second_factor_on", by=user, summary="Second factor turned on.")
    release(counts)
    return codes


def check_code(user: User, code: str, *, address: str, browser: str = "") -> None:
    """Accept a code of the app, or a recovery code, once.

    Raises:
        LoginBlocked: too many codes were wrong.
        InvalidInput: the code is wrong.
        IllegalTransition: `user` has no second factor.
    """
    counts = count_code(LoginTry(user.username, address, browser))
    with transaction.atomic():
        use_code(lock_factor(user), code)
    release(counts)


def use_code(factor: SecondFactor, code: str) -> None:
    """Note that a code of the locked `factor` is used; see `check_code`."""
    step = matching_step(factor, code.strip().replace(" ", ""))
    if step is not None:
        factor.last_step = step
        factor.save()
        return
    digest = recovery_digest(factor.user, code)
    if digest not in factor.recovery_digests:
        raise InvalidInput(WRONG_CODE)
    factor.recovery_digests = [other for other in factor.recovery_digests if other != digest]
    factor.save()
    summary = f"Recovery code used; {len(factor.recovery_digests)} left."
    record(factor.user, "recovery_code_used", by=factor.user, summary=summary)


@transaction.atomic
def renew_recovery_codes(user: User) -> list[str]:
    """Replace all recovery codes of `user`. Call it after `check_code`. Return the new ones."""
    factor, codes = lock_factor(user), new_recovery_codes()
    factor.recovery_digests = [recovery_digest(user, code) for code in codes]
    factor.save()
    record(user, "recovery_codes_renewed", by=user, summary="New recovery codes made.")
    return codes


@transaction.atomic
def remove_second_factor(user: User, *, by: User) -> None:
    """Turn the second factor of `user` off: one's own, after `check_code`, or that of a colleague without a phone.

    Raises:
        NotPermitted: it is a colleague's, and `by` may not change accounts.
        IllegalTransition: there is none, or it is one's own and a role needs it.
    """
    if by.pk != user.pk:
        Actor.of(by).require_permission("crm.change_user", "remove the second factor of a colleague")
    elif needs_second_factor(user):
        raise IllegalTransition("Your role needs a second factor, so you cannot turn it off.")
    if not SecondFactor.objects.filter(user=user).delete()[0]:
        raise IllegalTransition(f"{user} has no second factor.")
    record(user, "second_factor_off", by=by, summary="Second factor turned off.")


@transaction.atomic
def require_second_factor(role: Group, is_needed: bool, *, by: User) -> None:
    """Let `role` need a second factor, or not. Members without one set it up on their next page.

    Raises:
        NotPermitted: `by` may not change roles.
    """
    Actor.of(by).require_permission("auth.change_group", "change what a role needs")
    security, is_new = RoleSecurity.objects.select_for_update().get_or_create(role=role)
    if security.needs_second_factor != is_needed:
        security.needs_second_factor = is_needed
        security.save()
        needs = "needs" if is_needed else "no longer needs"
        record(by, "role_security", by=by, summary=f"The role “{role}” {needs} a second factor.", role=role.pk)


def lock_factor(user: User, *, is_confirmed: bool = True) -> SecondFactor:
    rows = SecondFactor.objects.select_for_update(of=("self",)).select_related("user")
    factor = rows.filter(user=user, confirmed_at__isnull=not is_confirmed).first()
    if factor is None:
        raise IllegalTransition(
            f"{user} has no second factor." if is_confirmed else "Begin to set up the second factor again."
        )
    return factor
