"""What a deed raises when it will not be done, always as a sentence a person can act on."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.apps import apps
from django.core.exceptions import ValidationError
from django.db import DataError, IntegrityError, transaction


class ActionRefused(Exception):
    """A deed that was not done; `str(error)` is the sentence to show."""


class IllegalTransition(ActionRefused):
    """The record is not in a state from which this deed is possible."""


class NotPermitted(ActionRefused):
    """Whoever asked may not do this."""


class InvalidInput(ActionRefused):
    """What was given does not have the right shape or range."""


def validation_message(error: ValidationError) -> str:
    """Every message of `error` in one line, each with the name of its field."""
    if not hasattr(error, "error_dict"):
        return " ".join(error.messages)
    parts = []
    for field, messages in error.message_dict.items():
        label = "" if field == "__all__" else f"{field.replace('_', ' ').capitalize()}: "
        parts.append(label + " ".join(messages))
    return " ".join(parts)


def constraint_message(error: IntegrityError) -> str:
    """The `violation_error_message` of the constraint that `error` broke."""
    constraint_name = getattr(getattr(error.__cause__, "diag", None), "constraint_name", None)
    for model in apps.get_models():
        for constraint in model._meta.constraints:
            if constraint.name == constraint_name:
                return str(constraint.violation_error_message)
    return f"The database refused this: {constraint_name or error}."


@contextmanager
def errors_as_invalid_input() -> Iterator[None]:
    """Turn what validation or the database refuses into `InvalidInput`, inside a savepoint."""
    try:
        with transaction.atomic():
            yield
    except ValidationError as error:
        raise InvalidInput(validation_message(error)) from error
    except IntegrityError as error:
        raise InvalidInput(constraint_message(error)) from error
    except DataError as error:
        raise InvalidInput(f"The database cannot keep this: {str(error).splitlines()[0]}.") from error
