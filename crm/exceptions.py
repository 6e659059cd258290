"""Exceptions of transitions. Each message is a sentence that tells the user what to do."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.apps import apps
from django.core.exceptions import ValidationError
from django.db import DataError, IntegrityError, transaction


class ActionRefused(Exception):
    """A refused action; show `str(error)` to the user."""


class IllegalTransition(ActionRefused):
    """The record's state does not allow this transition."""


class NotPermitted(ActionRefused):
    """The actor lacks the permission."""


class InvalidInput(ActionRefused):
    """A given value has the wrong shape or range."""


def validation_message(error: ValidationError) -> str:
    """Return all messages of `error` in one line, each with the name of its field."""
    if not hasattr(error, "error_dict"):
        return " ".join(error.messages)
    parts = []
    for field, messages in error.message_dict.items():
        label = "" if field == "__all__" else f"{field.replace('_', ' ').capitalize()}: "
        parts.append(label + " ".join(messages))
    return " ".join(parts)


def constraint_message(error: IntegrityError) -> str:
    """Return the `violation_error_message` of the constraint that `error` violated."""
    constraint_name = getattr(getattr(error.__cause__, "diag", None), "constraint_name", None)
    for model in apps.get_models():
        for constraint in model._meta.constraints:
            if constraint.name == constraint_name:
                return str(constraint.violation_error_message)
    return f"The database refused this change: {constraint_name or error}."


@contextmanager
def errors_as_invalid_input() -> Iterator[None]:
    """Raise validation and database errors as `InvalidInput`, inside a savepoint."""
    try:
        with transaction.atomic():
            yield
    except ValidationError as error:
        raise InvalidInput(validation_message(error)) from error
    except IntegrityError as error:
        raise InvalidInput(constraint_message(error)) from error
    except DataError as error:
        raise InvalidInput(f"The database cannot store this value: {str(error).splitlines()[0]}.") from error
