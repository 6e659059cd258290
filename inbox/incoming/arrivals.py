"""A mail on its way in: its bytes, and what is understood of them. Pure: no database."""

import logging
from dataclasses import dataclass

from inbox.incoming.parsing import Mail, NoMail, parse

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Arrival:
    """A mail that somebody brings; `origin` names it, so that people find it again."""

    origin: str
    raw: bytes
    is_read: bool = False


@dataclass(frozen=True)
class Read:
    """What was understood of `arrival`: a mail, or the reason why it is none."""

    arrival: Arrival
    mail: Mail | None
    reason: str = ""


def read(arrival: Arrival) -> Read:
    """What can be understood of `arrival`; whatever it holds, this raises nothing."""
    understood = understand(arrival.raw, arrival.origin)
    return Read(arrival, None, understood) if isinstance(understood, str) else Read(arrival, understood)


def understand(raw: bytes, origin: str) -> Mail | str:
    """`raw` as a mail, or the sentence that says why it is none."""
    try:
        return parse(raw)
    except NoMail as refusal:
        return str(refusal)
    except Exception as error:
        logger.exception("A mail could not be understood: %s.", origin)
        return f"The program could not make sense of it ({type(error).__name__})."
