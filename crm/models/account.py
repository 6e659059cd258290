"""Failed logins, from where an account has been used before, and sessions."""

from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.functions import RandomUUID
from django.contrib.sessions.base_session import AbstractBaseSession
from django.db import models
from django.db.models.functions import Now
from django.utils import timezone
from uuid_utils.compat import uuid7

from crm.records.base import choices_check


class LimitScope(models.TextChoices):
    """What a limit counts the failed logins of."""

    ACCOUNT = "account", "Account, from new places"
    ADDRESS = "address", "Network address"
    KNOWN_ADDRESS = "known_address", "Account, from a known address"
    KNOWN_BROWSER = "known_browser", "Account, from a known browser"
    PASSWORD_RESET = "password_reset", "Password reset"
    SECOND_FACTOR = "second_factor", "Code of the second factor"


class LoginLimitQuerySet(models.QuerySet):
    def with_failures(self) -> "LoginLimitQuerySet":
        """Return the limits that count a failed login; the others only say that an address is known."""
        return self.filter(failures__gt=0)

    def visible_to(self, user: Any) -> "LoginLimitQuerySet":
        """Return all failed logins for users who may open the screen, none for others."""
        return self.with_failures() if user.has_perm("crm.view_loginlimit") else self.none()


class LoginLimit(models.Model):
    """How many logins failed in a row for one account, address or both, and until when further tries are refused.

    A row of the scope KNOWN_ADDRESS exists for each address from which the account has logged in.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, db_default=RandomUUID(), editable=False)
    scope = models.CharField(max_length=20, choices=LimitScope)
    # A keyed digest of the scope, the typed username and the place. What is typed may be a password by mistake.
    digest = models.CharField(max_length=64)
    user = models.ForeignKey("crm.User", null=True, blank=True, on_delete=models.CASCADE, related_name="login_limits")
    address = models.CharField(max_length=50, blank=True, default="", db_default="")
    failures = models.PositiveIntegerField(default=0, db_default=0)
    blocked_until = models.DateTimeField(null=True, blank=True)
    last_tried_at = models.DateTimeField(default=timezone.now, db_default=Now())
    last_login_at = models.DateTimeField(null=True, blank=True)

    objects = LoginLimitQuerySet.as_manager()

    class Meta:
        db_table = "login_limits"
        verbose_name = "failed login"
        default_permissions = ("view",)
        permissions = [("unblock_loginlimit", "Can allow logins again after failed ones")]
        constraints = [
            choices_check("login_limits", "scope", LimitScope),
            models.UniqueConstraint(
                "digest", name="login_limits_once", violation_error_message="There is such a limit already."
            ),
        ]
        indexes = [
            models.Index("last_tried_at", name="login_limits_by_age"),
            models.Index(
                models.F("last_tried_at").desc(),
                models.F("id").desc(),
                condition=models.Q(failures__gt=0),
                name="login_limits_with_failures",
            ),
        ]

    def __str__(self) -> str:
        return str(self.user or self.address or "Unknown account")

    @property
    def is_blocked(self) -> bool:
        return self.blocked_until is not None and self.blocked_until > timezone.now()


class UserSession(AbstractBaseSession):
    """A session of the website. It knows its user, so that users can see and end their own.

    `browser` is the User-Agent header at login, `last_seen_at` exact to a quarter of an hour.
    """

    user = models.ForeignKey("crm.User", null=True, blank=True, on_delete=models.CASCADE, related_name="sessions")
    address = models.CharField(max_length=50, blank=True, default="", db_default="")
    browser = models.CharField(max_length=300, blank=True, default="", db_default="")
    began_at = models.DateTimeField(default=timezone.now, db_default=Now())
    last_seen_at = models.DateTimeField(default=timezone.now, db_default=Now())

    class Meta(AbstractBaseSession.Meta):
        db_table = "user_sessions"
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.user} from {self.address}"


class SecondFactor(models.Model):
    """An app on a user's phone that computes codes (TOTP), and recovery codes for the day on which the phone is lost.

    The secret is encrypted, recovery codes are stored as digests. Until a first code is confirmed, none is asked.
    """

    user = models.OneToOneField("crm.User", primary_key=True, on_delete=models.CASCADE, related_name="second_factor")
    secret = models.TextField(editable=False)
    confirmed_at = models.DateTimeField(null=True, blank=True)
    # The time step of the last code that was accepted: each code works once.
    last_step = models.BigIntegerField(default=0, db_default=0)
    recovery_digests = ArrayField(models.CharField(max_length=64), default=list, blank=True, db_default=[])

    class Meta:
        db_table = "second_factors"
        default_permissions = ()

    def __str__(self) -> str:
        return f"Second factor of {self.user}"


class RoleSecurity(models.Model):
    """What a role asks of its members at login."""

    role = models.OneToOneField("auth.Group", primary_key=True, on_delete=models.CASCADE, related_name="security")
    needs_second_factor = models.BooleanField(default=False, db_default=False)

    class Meta:
        db_table = "role_security"
        default_permissions = ()

    def __str__(self) -> str:
        return f"Security of {self.role}"
