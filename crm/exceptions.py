"""What a deed raises when it will not be done, always as a sentence a person can act on."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.apps import apps
from django.core.exceptions import ValidationError
from django.db import DataError, IntegrityError, transaction


class Refused(Exception):
    """A deed that was not done; `str(error)` is the sentence to show."""


class IllegalMove(Refused):
    """The record is not in a state from which this deed is possible."""


class NotAllowed(Refused):
    """Whoever asked may not do this."""


class BadInput(Refused):
    """What was given does not have the right shape or range."""


def sentence(error: ValidationError) -> str:
    """Every message of `error` in one line, each with the name of its field."""
    if not hasattr(error, "error_dict"):
        return " ".join(error.messages)
    parts = []
    for field, messages in error.message_dict.items():
        label = "" if field == "__all__" else f"{field.replace('_', ' ').capitalize()}: "
        parts.append(label + " ".join(messages))
    return " ".join(parts)


def constraint_sentence(error: IntegrityError) -> str:
    """The `violation_error_message` of the constraint that `error` broke."""
    broken = getattr(getattr(error.__cause__, "diag", None), "constraint_name", None)
    for model in apps.get_models():
        for constraint in model._meta.constraints:
            if constraint.name == broken:
                return str(constraint.violation_error_message)
    return f"The database refused this: {broken or error}."


@contextmanager
def refusing() -> Iterator[None]:
    """Turn what validation or the database refuses into `BadInput`, inside a savepoint."""
    try:
        with transaction.atomic():
            yield
    except ValidationError as error:
        raise BadInput(sentence(error)) from error
    except IntegrityError as error:
        raise BadInput(constraint_sentence(error)) from error
    except DataError as error:
        raise BadInput(f"The database cannot keep this: {str(error).splitlines()[0]}.") from error
