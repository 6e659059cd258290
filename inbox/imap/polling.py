"""Poll a mailbox: fetch new email of each folder, and once a day check for missed email."""

import logging
from uuid import UUID

from django.db import DatabaseError

from crm.exceptions import ActionRefused
from inbox.imap import folders, gaps, transitions
from inbox.imap.connection import FolderUnavailable, LoginRefused, open_session
from inbox.imap.folder_state import MailboxBusy
from inbox.imap.jobs import defer_fetch
from inbox.imap.sync import FetchRun, fetch_folder
from inbox.models import Mailbox

logger = logging.getLogger(__name__)


def poll_mailbox(pk: UUID, *, check_gaps: bool = False) -> None:
    """Fetch email of the mailbox `pk` if it is connected, and record the result. Queue another run if more is left.

    Safe to run twice at once, and to repeat after an interruption at any point.
    """
    mailbox = Mailbox.objects.connected().filter(pk=pk).first()
    if mailbox is None:
        return
    try:
        has_more, warning = poll_folders(mailbox, check_gaps)
    except ActionRefused as exception:
        record_poll_failure(mailbox, exception)
    except DatabaseError:  # not a fault of the mailbox: the job is retried
        raise
    except Exception as error:
        logger.exception("Fetching from mailbox %s failed unexpectedly.", mailbox.pk)
        transitions.mark_fetch_failed(mailbox, f"An internal error occurred ({type(error).__name__}).")
    else:
        transitions.mark_fetched(mailbox, warning=warning)
        if has_more:
            defer_fetch(mailbox.pk, gaps=check_gaps)


def record_poll_failure(mailbox: Mailbox, exception: ActionRefused) -> None:
    """Record the error that ended a poll."""
    if isinstance(exception, LoginRefused):
        transitions.mark_login_refused(mailbox, exception)
    elif not isinstance(exception, MailboxBusy):
        transitions.mark_fetch_failed(mailbox, str(exception))


def poll_folders(mailbox: Mailbox, check_gaps: bool) -> tuple[bool, str]:
    """Return whether more is left to fetch, and the problems of single folders as sentences."""
    warning = []
    with open_session(mailbox) as session:
        folders.save_folder_names(session, mailbox)
        run = FetchRun(mailbox, session)
        for name in folders.folders_to_read(mailbox):
            try:
                has_more = fetch_folder(run, name)
                if not has_more and (check_gaps or gaps.is_gap_check_due(run, name)):
                    has_more = gaps.fill_gaps(run, name)
            except FolderUnavailable as exception:
                warning.append(str(exception))
                continue
            if has_more:
                return True, " ".join(warning)
    return False, " ".join(warning)
