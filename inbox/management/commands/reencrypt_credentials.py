"""Re-encrypt the mailbox passwords with the current key."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from crm.exceptions import ActionRefused
from crm.runtime.encryption import reencrypt_secret
from inbox.models import Mailbox


class Command(BaseCommand):
    """`reencrypt_credentials`: afterwards, only the first key of CREDENTIALS_KEYS is needed."""

    help = "Re-encrypt the mailbox passwords with the first key of CREDENTIALS_KEYS."

    def handle(self, **options: Any) -> None:
        count, unreadable = 0, []
        for box in Mailbox.everything.exclude(credentials=""):
            try:
                token = reencrypt_secret(box.credentials)
            except ActionRefused as exception:
                unreadable.append(f"{box}: {exception}")
                continue
            # Skip a password that was replaced meanwhile: it is encrypted with the first key already.
            count += Mailbox.everything.filter(pk=box.pk, credentials=box.credentials).update(credentials=token)
        self.stdout.write(f"{count} password{'' if count == 1 else 's'} re-encrypted.")
        if unreadable:
            raise CommandError("\n".join(unreadable))
