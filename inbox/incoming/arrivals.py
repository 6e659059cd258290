"""A mail on its way in: its bytes, and what is understood of them. Pure: no database."""

import logging
from dataclasses import dataclass

from inbox.incoming.parsing import NotAnEmail, ParsedEmail, parse_email

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Arrival:
    """A mail that somebody brings; `origin` names it, so that people find it again."""

    origin: str
    raw: bytes
    is_read: bool = False


@dataclass(frozen=True)
class ParsedArrival:
    """What was understood of `arrival`: a mail, or the reason why it is none."""

    arrival: Arrival
    mail: ParsedEmail | None
    reason: str = ""


def parse_arrival(arrival: Arrival) -> ParsedArrival:
    """What can be understood of `arrival`; whatever it holds, this raises nothing."""
    parsed = parse_or_explain(arrival.raw, arrival.origin)
    return ParsedArrival(arrival, None, parsed) if isinstance(parsed, str) else ParsedArrival(arrival, parsed)


def parse_or_explain(raw: bytes, origin: str) -> ParsedEmail | str:
    """`raw` as a mail, or the sentence that says why it is none."""
    try:
        return parse_email(raw)
    except NotAnEmail as exception:
        return str(exception)
    except Exception as error:
        logger.exception("A mail could not be understood: %s.", origin)
        return f"The program could not make sense of it ({type(error).__name__})."
