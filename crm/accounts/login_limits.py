"""How often a login may fail, counted for the account and for the network address.

A try is counted before its password is hashed, so parallel guesses cannot pass a limit, and a refused one costs one
statement. The counts are rows in the database, so all web machines share them.

An attacker must not be able to lock a colleague out. So tries from where the account has logged in before, the same
browser or the same address, have a count of their own; all others count for their address and for the account.
"""

import unicodedata
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection
from django.utils import timezone
from django.utils.crypto import salted_hmac

from crm.exceptions import ActionRefused
from crm.models import LimitScope, LoginLimit, User

# So many logins in a row may fail; the last of them begins a wait of a minute, and each further one doubles it.
FREE_TRIES = {
    LimitScope.ACCOUNT: 5,
    LimitScope.ADDRESS: 20,
    LimitScope.KNOWN_ADDRESS: 5,
    LimitScope.KNOWN_BROWSER: 5,
    LimitScope.PASSWORD_RESET: 5,
    LimitScope.SECOND_FACTOR: 5,
}
LONGEST_WAIT_MINUTES = 60
# Without a failed login for so long, counting begins anew.
MEMORY = timedelta(days=1)
# An address without a login for so long is no longer known.
KNOWN_FOR = timedelta(days=180)
COUNT_SQL = """
    INSERT INTO login_limits AS login (scope, digest, address, failures, last_tried_at)
    VALUES (%(scope)s, %(digest)s, %(address)s, 1, %(now)s)
    ON CONFLICT (digest) DO UPDATE
       SET failures = CASE WHEN login.last_tried_at <= %(oldest)s THEN 1 ELSE login.failures + 1 END,
           last_tried_at = %(now)s,
           blocked_until = CASE WHEN login.last_tried_at > %(oldest)s AND login.failures + 1 >= %(free)s
               THEN %(now)s + interval '1 minute'
                    * LEAST(%(longest)s, power(2, LEAST(login.failures + 1 - %(free)s, 20))) END
     WHERE login.blocked_until IS NULL OR login.blocked_until <= %(now)s
    RETURNING failures, blocked_until
"""
# Takes back one count; a wait that another try began goes on.
RELEASE_SQL = """
    UPDATE login_limits
       SET failures = CASE WHEN scope = 'address' THEN GREATEST(failures - 1, 0) ELSE 0 END,
           blocked_until = CASE WHEN scope = 'address' AND blocked_until IS DISTINCT FROM %(blocked_until)s
               THEN blocked_until END
     WHERE digest = %(digest)s
"""
REMEMBER_SQL = """
    INSERT INTO login_limits (scope, digest, user_id, address, last_login_at)
    VALUES ('known_address', %(digest)s, %(user)s, %(address)s, %(now)s)
    ON CONFLICT (digest) DO UPDATE SET user_id = %(user)s, last_login_at = %(now)s
    RETURNING xmax = 0
"""


class LoginBlocked(ActionRefused):
    """Too many logins failed; `retry_after` is in seconds."""

    def __init__(self, blocked_until: datetime, now: datetime) -> None:
        self.retry_after = max(1, int((blocked_until - now).total_seconds()) + 1)
        super().__init__(f"Too many tries. Try again {in_minutes(self.retry_after)}.")


def in_minutes(seconds: int) -> str:
    minutes = -(-seconds // 60)
    return "in a minute" if minutes == 1 else f"in {minutes} minutes"


@dataclass(frozen=True)
class LoginTry:
    """Who tries to log in, and from where. `browser` is the token of a browser that the account has used, or empty."""

    username: str
    address: str
    browser: str = ""

    def digest(self, scope: LimitScope) -> str:
        """Return the key of the limit of `scope`."""
        name = unicodedata.normalize("NFKC", self.username).casefold()
        parts = {
            LimitScope.ACCOUNT: (name,),
            LimitScope.ADDRESS: (self.address,),
            LimitScope.KNOWN_ADDRESS: (name, self.address),
            LimitScope.KNOWN_BROWSER: (name, self.browser),
            LimitScope.PASSWORD_RESET: (name,),
            LimitScope.SECOND_FACTOR: (name, self.browser),
        }[scope]
        return salted_hmac("crm.accounts.login_limits", "\0".join([scope, *parts]), algorithm="sha256").hexdigest()


@dataclass(frozen=True)
class Count:
    """A limit that counted a try: the failures so far, with this one, and the end of the wait that it began, if any."""

    scope: LimitScope
    digest: str
    failures: int
    blocked_until: datetime | None


def count_try(login: LoginTry) -> list[Count]:
    """Count a try as failed, in each limit that applies to it, until `release` takes it back.

    Call it outside of a transaction, because the counts must be seen by others before the password is checked.

    Raises:
        LoginBlocked: a limit is reached.
    """
    now = timezone.now()
    digests = {scope: login.digest(scope) for scope in LimitScope}
    stored = {limit.digest: limit for limit in LoginLimit.objects.filter(digest__in=digests.values())}
    if login.browser:
        scopes = [LimitScope.KNOWN_BROWSER]
    elif is_known(stored.get(digests[LimitScope.KNOWN_ADDRESS]), now):
        scopes = [LimitScope.KNOWN_ADDRESS]
    else:
        scopes = [LimitScope.ADDRESS, LimitScope.ACCOUNT]
    return count_all(login, scopes, stored, now)


def count_reset(asked: LoginTry) -> list[Count]:
    """Count that a link to a new password is asked for; `username` is the email address.

    Raises:
        LoginBlocked: a limit is reached.
    """
    return count_in(asked, [LimitScope.ADDRESS, LimitScope.PASSWORD_RESET])


def count_code(login: LoginTry) -> list[Count]:
    """Count a code of the second factor as wrong until `release`; a browser that is known has a count of its own.

    Raises:
        LoginBlocked: the limit is reached.
    """
    return count_in(login, [LimitScope.SECOND_FACTOR])


def count_in(login: LoginTry, scopes: list[LimitScope]) -> list[Count]:
    digests = [login.digest(scope) for scope in scopes]
    stored = {limit.digest: limit for limit in LoginLimit.objects.filter(digest__in=digests)}
    return count_all(login, scopes, stored, timezone.now())


def count_all(login: LoginTry, scopes: list[LimitScope], stored: dict[str, LoginLimit], now: datetime) -> list[Count]:
    """Count a try in the limits of `scopes`; in none of them, if one of the `stored` ones is reached."""
    digests = {scope: login.digest(scope) for scope in scopes}
    for digest in digests.values():
        limit = stored.get(digest)
        if limit and limit.blocked_until and limit.blocked_until > now:
            raise LoginBlocked(limit.blocked_until, now)
    return [count(scope, digest, login.address, now) for scope, digest in digests.items()]


def is_known(limit: LoginLimit | None, now: datetime) -> bool:
    """Return whether the account has logged in from the address of `limit` not too long ago."""
    return bool(limit and limit.last_login_at and limit.last_login_at > now - KNOWN_FOR)


def count(scope: LimitScope, digest: str, address: str, now: datetime) -> Count:
    params = {
        "scope": scope,
        "digest": digest,
        "address": "" if scope in {LimitScope.ACCOUNT, LimitScope.PASSWORD_RESET} else address,
        "now": now,
        "oldest": now - MEMORY,
        "free": FREE_TRIES[scope],
        "longest": LONGEST_WAIT_MINUTES,
    }
    with connection.cursor() as cursor:
        cursor.execute(COUNT_SQL, params)
        row = cursor.fetchone()
    if row is None:  # another try has begun the wait since the limits were read
        blocked_until = LoginLimit.objects.filter(digest=digest).values_list("blocked_until", flat=True).first()
        raise LoginBlocked(blocked_until or now, now)
    return Count(scope, digest, *row)


def release(counts: list[Count]) -> None:
    """Take back the counts of a try with the right password.

    Those of the account begin anew. That of the address only forgets this try: a colleague's login must not help an
    attacker at the same address.
    """
    with connection.cursor() as cursor:
        for counted in counts:
            cursor.execute(RELEASE_SQL, {"digest": counted.digest, "blocked_until": counted.blocked_until})


def remember_address(user: User, address: str) -> bool:
    """Store that `user` has logged in from `address`. Return whether the address is new."""
    digest = LoginTry(user.username, address).digest(LimitScope.KNOWN_ADDRESS)
    params = {"digest": digest, "user": user.pk, "address": address, "now": timezone.now()}
    with connection.cursor() as cursor:
        cursor.execute(REMEMBER_SQL, params)
        return cursor.fetchone()[0]


def forget_old_limits(now: datetime) -> int:
    """Delete failed logins after a day, and addresses that are no longer known. Return how many."""
    # No wait is as long as the memory of it.
    old = LoginLimit.objects.filter(last_tried_at__lte=now - MEMORY)
    return old.exclude(last_login_at__gt=now - KNOWN_FOR).delete()[0]
