"""The gap check: compare the emails in a folder with those processed, and fetch the missing ones.

Gaps arise when a server did not list or return an email in its turn, or when the start date of a mailbox is moved back.
An email that was stored and purged here since is not a gap: it has been processed.
"""

from datetime import timedelta

from django.utils import timezone
from django.utils.dateparse import parse_datetime

from inbox.imap.folder_state import folder_state, update_folder_state
from inbox.imap.sync import FetchRun, fetch_in_batches, sync_numbering
from inbox.models import FolderMail

GAP_CHECK_INTERVAL = timedelta(hours=24)


def is_gap_check_due(run: FetchRun, folder: str) -> bool:
    """Return whether the last gap check of `folder` is too long ago."""
    at = folder_state(run.mailbox, folder).gaps.get("at")
    return at is None or parse_datetime(at) < timezone.now() - GAP_CHECK_INTERVAL


def fill_gaps(run: FetchRun, folder: str) -> bool:
    """Compare `folder` and fetch the missing emails. Return True if time ran out before the end.

    Raises the same exceptions as `fetch_folder`.
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
    # A check that ran out of time continues its count.
    found_before = 0 if "at" in state.gaps else state.gaps.get("found", 0)
    found = found_before + len(missing) - still_missing
    gaps = {"compared": len(uids), "found": found, "lacking": still_missing}
    update_folder_state(run.mailbox, folder, gaps={**gaps, "at": timezone.now().isoformat()} if is_complete else gaps)
    return not is_complete
