"""Re-encrypt the mailbox passwords and the secrets of second factors with the current key."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import models

from crm.exceptions import ActionRefused
from crm.models import SecondFactor
from crm.runtime.encryption import reencrypt_secret
from inbox.models import Mailbox


class Command(BaseCommand):
    """`reencrypt_credentials`: afterwards, only the first key of CREDENTIALS_KEYS is needed."""

    help = "Re-encrypt the mailbox passwords and second factors with the first key of CREDENTIALS_KEYS."

    def handle(self, **options: Any) -> None:
        passwords, unreadable = reencrypt(Mailbox.everything.exclude(credentials=""), "credentials")
        secrets, more_unreadable = reencrypt(SecondFactor.objects.select_related("user"), "secret")
        unreadable += more_unreadable
        self.stdout.write(f"{passwords} password{'' if passwords == 1 else 's'} re-encrypted.")
        if secrets:
            self.stdout.write(f"{secrets} second factor{'' if secrets == 1 else 's'} re-encrypted.")
        if unreadable:
            raise CommandError("\n".join(unreadable))


def reencrypt(rows: models.QuerySet, field: str) -> tuple[int, list[str]]:
    """Encrypt `field` of `rows` with the first key. Return how many there were, and a sentence for each failure."""
    count, unreadable = 0, []
    for row in rows:
        stored = getattr(row, field)
        try:
            token = reencrypt_secret(stored)
        except ActionRefused as exception:
            unreadable.append(f"{row}: {exception}")
            continue
        # Skip a secret that was replaced meanwhile: it is encrypted with the first key already.
        count += rows.model._base_manager.filter(pk=row.pk, **{field: stored}).update(**{field: token})
    return count, unreadable
