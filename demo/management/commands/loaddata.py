"""Django's own command, with a sentence where it has a traceback."""

from typing import Any

from django.core.management.base import CommandError
from django.core.management.commands import loaddata
from django.core.serializers.base import DeserializationError
from django.db import DatabaseError

from demo import agency


class Command(loaddata.Command):
    def handle(self, *fixture_labels: str, **options: Any) -> None:
        try:
            super().handle(*fixture_labels, **options)
        except (DatabaseError, DeserializationError) as error:
            # All fixtures are loaded in one transaction.
            if agency.FIXTURE.stem in fixture_labels and agency.is_demo_loaded():
                raise CommandError("Nothing was loaded: the demo was loaded before.") from error
            raise CommandError(f"Nothing was loaded. {str(error).splitlines()[0]}.") from error
