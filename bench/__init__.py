"""What the design promises in figures, measured: `python -m bench`.

One module a table. Our side and the other are measured in one run, on the same rows of the same server.
"""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "crm.settings")
django.setup()
