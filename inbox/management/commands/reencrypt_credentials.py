"""Change the key that passwords are encrypted with."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from crm.exceptions import ActionRefused
from crm.runtime.encryption import reencrypt_secret
from inbox.models import Mailbox


class Command(BaseCommand):
    """`reencrypt_credentials`: after it, only the first key of CREDENTIALS_KEYS is needed."""

    help = "Encrypt the passwords of mailboxes anew with the first key of CREDENTIALS_KEYS."

    def handle(self, **options: Any) -> None:
        count, unreadable = 0, []
        for box in Mailbox.everything.exclude(credentials=""):
            try:
                token = reencrypt_secret(box.credentials)
            except ActionRefused as exception:
                unreadable.append(f"{box}: {exception}")
                continue
            # Not if somebody has entered another one meanwhile, which is under the first key then.
            count += Mailbox.everything.filter(pk=box.pk, credentials=box.credentials).update(credentials=token)
        self.stdout.write(f"{count} password{'' if count == 1 else 's'} encrypted anew.")
        if unreadable:
            raise CommandError("\n".join(unreadable))
