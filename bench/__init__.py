"""Benchmarks of the design's performance targets: `python -m bench`.

One module a table. Both sides are measured in one run, on the same rows of the same server.
"""

import os

import django
from django.contrib import admin

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "crm.settings")
django.setup()
admin.autodiscover()
