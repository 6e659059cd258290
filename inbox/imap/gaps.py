"""The gap check: what lies in a folder is compared with what has been looked at, and what lacks is fetched.

Gaps come from servers that did not name or hand out a mail when it was its turn, and from a mailbox whose mail is now
wanted from an earlier day on. A mail that was taken in and purged here since is no gap: it has been looked at.
"""

from datetime import timedelta

from django.utils import timezone
from django.utils.dateparse import parse_datetime

from inbox.imap.folder_state import change, state_of
from inbox.imap.sync import Run, go_through, numbered
from inbox.models import FolderMail

EVERY = timedelta(hours=24)


def due(run: Run, folder: str) -> bool:
    """Whether `folder` was last compared too long ago."""
    at = state_of(run.mailbox, folder).gaps.get("at")
    return at is None or parse_datetime(at) < timezone.now() - EVERY


def fill(run: Run, folder: str) -> bool:
    """Compare `folder` and fetch what lacks; whether there is more when the time is up.

    Raises:
        As `read_folder`.
    """
    standing = run.session.standing(folder)
    state = numbered(run.mailbox, folder, standing.uidvalidity)
    run.session.open(folder)
    uids = [uid for uid in run.session.numbers(0, run.mailbox.fetch_since) if uid <= state.uid]
    rows = FolderMail.objects.filter(mailbox=run.mailbox, folder=folder, uidvalidity=state.uidvalidity)
    looked_at = set(rows.values_list("uid", flat=True))
    lacking = [uid for uid in uids if uid not in looked_at]
    ended = go_through(run, folder, lacking)
    still = len(lacking) - rows.filter(uid__in=lacking).count()
    # A check that ran out of time goes on with what it has found.
    before = 0 if "at" in state.gaps else state.gaps.get("found", 0)
    found = before + len(lacking) - still
    gaps = {"compared": len(uids), "found": found, "lacking": still}
    change(run.mailbox, folder, gaps={**gaps, "at": timezone.now().isoformat()} if ended else gaps)
    return not ended
