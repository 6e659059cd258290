"""The WSGI application for an application server."""

import os
import sys

from django.core.exceptions import ImproperlyConfigured
from django.core.wsgi import get_wsgi_application
from django.urls import get_resolver

# Gunicorn's exit code for a failed boot; on any other code it restarts the process forever.
COULD_NOT_BOOT = 3

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "crm.settings")
try:
    application = get_wsgi_application()
    # Django would import the screens with the first request.
    get_resolver().url_patterns  # noqa: B018
except ImproperlyConfigured as error:
    sys.stderr.write(f"{error}\n")
    sys.exit(COULD_NOT_BOOT)
