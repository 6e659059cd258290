"""CRM commands in child processes on the measured database."""

import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

from django.conf import settings
from django.db import connection


def database_url() -> str:
    """Return the URL of the current database for a child process; this process keeps the server running."""
    database = connection.settings_dict
    host, user, password = (quote(str(database[key]), safe="") for key in ("HOST", "USER", "PASSWORD"))
    return f"postgresql://{user}:{password}@{host}:{database['PORT'] or 5432}/{database['NAME']}"


def start_python(*command: str, log: Path | None = None, **variables: str) -> subprocess.Popen[str]:
    """Start `python COMMAND` on the current database, with its output in `log` or its `stdout`."""
    return subprocess.Popen(
        [sys.executable, *command],
        cwd=settings.BASE_DIR,
        env={**os.environ, "DATABASE_URL": database_url(), **variables},
        stdin=subprocess.DEVNULL,
        stdout=log.open("a") if log else subprocess.PIPE,
        stderr=subprocess.STDOUT if log else None,
        text=True,
        start_new_session=True,
    )
