"""The gap check: what lies in a folder is compared with what has been looked at, and what lacks is fetched.

Gaps come from servers that did not name or hand out a mail when it was its turn, and from a mailbox whose mail is now
wanted from an earlier day on. A mail that was taken in and purged here since is no gap: it has been looked at.
"""

from datetime import timedelta

from django.utils import timezone
from django.utils.dateparse import parse_datetime

from inbox.imap.folder_state import folder_state, update_folder_state
from inbox.imap.sync import FetchRun, fetch_in_batches, sync_numbering
from inbox.models import FolderMail

GAP_CHECK_INTERVAL = timedelta(hours=24)


def is_gap_check_due(run: FetchRun, folder: str) -> bool:
    """Whether `folder` was last compared too long ago."""
    at = folder_state(run.mailbox, folder).gaps.get("at")
    return at is None or parse_datetime(at) < timezone.now() - GAP_CHECK_INTERVAL


def fill_gaps(run: FetchRun, folder: str) -> bool:
    """Compare `folder` and fetch what lacks; whether there is more when the time is up.

    Raises:
        As `read_folder`.
    """
    folder_status = run.session.folder_status(folder)
    state = sync_numbering(run.mailbox, folder, folder_status.uidvalidity)
    run.session.open(folder)
    uids = [uid for uid in run.session.search_uids(0, run.mailbox.fetch_since) if uid <= state.uid]
    rows = FolderMail.objects.filter(mailbox=run.mailbox, folder=folder, uidvalidity=state.uidvalidity)
    looked_at = set(rows.values_list("uid", flat=True))
    missing = [uid for uid in uids if uid not in looked_at]
    is_complete = fetch_in_batches(run, folder, missing)
    still_missing = len(missing) - rows.filter(uid__in=missing).count()
    # A check that ran out of time goes on with what it has found.
    found_before = 0 if "at" in state.gaps else state.gaps.get("found", 0)
    found = found_before + len(missing) - still_missing
    gaps = {"compared": len(uids), "found": found, "lacking": still_missing}
    update_folder_state(run.mailbox, folder, gaps={**gaps, "at": timezone.now().isoformat()} if is_complete else gaps)
    return not is_complete
