"""One visit to a mailbox: what is new in each folder, and once a day what had been passed over."""

import logging
from uuid import UUID

from django.db import DatabaseError

from crm.exceptions import Refused
from inbox.imap import folders, gaps, transitions
from inbox.imap.connection import LoginRefused, NoFolder, logged_in
from inbox.imap.folder_state import Overtaken
from inbox.imap.jobs import defer_fetch
from inbox.imap.sync import Run, read_folder
from inbox.models import Mailbox

logger = logging.getLogger(__name__)


def visit(pk: UUID, *, check_gaps: bool = False) -> None:
    """Fetch from the mailbox `pk`, if it is connected, and write down how it went; queue another run if there is more.

    May be called twice at once, and again after it was cut off anywhere.
    """
    mailbox = Mailbox.objects.connected().filter(pk=pk).first()
    if mailbox is None:
        return
    try:
        more, trouble = gone_through(mailbox, check_gaps)
    except Refused as refusal:
        ended_by(mailbox, refusal)
    except DatabaseError:  # not the mailbox's doing: the job is tried again
        raise
    except Exception as error:
        logger.exception("Fetching from the mailbox %s broke down.", mailbox.pk)
        transitions.failed(mailbox, f"The program broke down over it ({type(error).__name__}).")
    else:
        transitions.succeeded(mailbox, trouble=trouble)
        if more:
            defer_fetch(mailbox.pk, gaps=check_gaps)


def ended_by(mailbox: Mailbox, refusal: Refused) -> None:
    """Write down what ended a visit."""
    if isinstance(refusal, LoginRefused):
        transitions.shut_out(mailbox, refusal)
    elif not isinstance(refusal, Overtaken):
        transitions.failed(mailbox, str(refusal))


def gone_through(mailbox: Mailbox, check_gaps: bool) -> tuple[bool, str]:
    """Whether there is more to fetch, and what is wrong with single folders, in sentences."""
    trouble = []
    with logged_in(mailbox) as session:
        folders.learn(session, mailbox)
        run = Run(mailbox, session)
        for name in folders.read(mailbox):
            try:
                more = read_folder(run, name)
                if not more and (check_gaps or gaps.due(run, name)):
                    more = gaps.fill(run, name)
            except NoFolder as refusal:
                trouble.append(str(refusal))
                continue
            if more:
                return True, " ".join(trouble)
    return False, " ".join(trouble)
