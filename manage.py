#!/usr/bin/env python
"""Run a command of the CRM: `python manage.py help` lists them."""

import os
import sys

from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line
from django.db import OperationalError

from crm.runtime.startup_errors import startup_error_message


def main() -> None:
    """Run the command; show errors that a user can fix as one sentence, without a traceback."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "crm.settings")
    try:
        execute_from_command_line(sys.argv)
    except (ImproperlyConfigured, OperationalError) as error:
        sentence = startup_error_message(error)
        if sentence is None:
            raise
        sys.exit(sentence)


if __name__ == "__main__":
    main()
