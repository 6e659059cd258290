"""An incoming email: its raw bytes, and the result of parsing them. Pure: no database."""

import logging
from dataclasses import dataclass

from inbox.incoming.parsing import NotAnEmail, ParsedEmail, parse_email

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Arrival:
    """An incoming email. `origin` says where it came from, so that people can find it there."""

    origin: str
    raw: bytes
    is_read: bool = False


@dataclass(frozen=True)
class ParsedArrival:
    """The result of parsing `arrival`: an email, or the reason why it could not be parsed."""

    arrival: Arrival
    mail: ParsedEmail | None
    reason: str = ""


def parse_arrival(arrival: Arrival) -> ParsedArrival:
    """Parse `arrival`. Never raises, whatever the bytes are."""
    parsed = parse_or_explain(arrival.raw, arrival.origin)
    return ParsedArrival(arrival, None, parsed) if isinstance(parsed, str) else ParsedArrival(arrival, parsed)


def parse_or_explain(raw: bytes, origin: str) -> ParsedEmail | str:
    """Return `raw` as an email, or a sentence that says why it could not be parsed."""
    try:
        return parse_email(raw)
    except NotAnEmail as exception:
        return str(exception)
    except Exception as error:
        logger.exception("Email %s could not be parsed.", origin)
        return f"The email could not be parsed ({type(error).__name__})."
