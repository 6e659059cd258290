"""The application as an application server wants it."""

import os
import sys

from django.core.exceptions import ImproperlyConfigured
from django.core.wsgi import get_wsgi_application

# Gunicorn's code for "could not boot": with any other it would start the process again for ever.
COULD_NOT_BOOT = 3

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "crm.settings")
try:
    application = get_wsgi_application()
except ImproperlyConfigured as error:
    sys.stderr.write(f"{error}\n")
    sys.exit(COULD_NOT_BOOT)
