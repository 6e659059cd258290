"""The transaction of an import, and what is said when it fails."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.db import (
    DatabaseError,
    DataError,
    IntegrityError,
    InterfaceError,
    InternalError,
    OperationalError,
    connection,
    transaction,
)

from crm.exceptions import IllegalTransition, InvalidInput, constraint_message
from leads.models import ImportBatch
from leads.models.import_batch import ImportState

# Codes of PostgreSQL: a lost connection, and a server that stops.
CONNECTION_LOSSES = ("08", "57P0")


@contextmanager
def all_or_nothing(batch: ImportBatch, path: Path) -> Iterator[None]:
    """Run the block in one transaction, and turn database and file errors into readable exceptions.

    A connection that is lost at the very end raises nothing if the import was saved all the same.
    """
    try:
        with transaction.atomic():
            yield
    except IntegrityError as error:
        raise IllegalTransition(
            f"{constraint_message(error)} The database changed while {path.name} was read, so nothing was "
            "imported. Import the file again."
        ) from error
    except (OperationalError, InterfaceError, InternalError) as error:
        if not is_connection_loss(error):
            raise InvalidInput(stopped_sentence(error)) from error
        if not is_saved(batch):
            raise InvalidInput(
                "Nothing was imported, because the connection to the database was lost. Import the file again."
            ) from error
    except DataError as error:
        raise InvalidInput(stopped_sentence(error)) from error
    except OSError as error:
        where = error.filename or path
        raise InvalidInput(f"Nothing was imported: {error.strerror} ({where}).") from error


def is_connection_loss(error: DatabaseError) -> bool:
    """Return whether the server ended the session, or could not be reached any more."""
    code = getattr(error.__cause__, "sqlstate", None)
    return code is None or code.startswith(CONNECTION_LOSSES)


def stopped_sentence(error: DatabaseError) -> str:
    """Return why the database stopped an import: its message without the statement that it was executing."""
    return f"Nothing was imported, because the database stopped the import: {str(error).splitlines()[0].rstrip('.')}."


def is_saved(batch: ImportBatch) -> bool:
    """Return whether the import of `batch` is complete, over a new connection.

    Raises:
        InvalidInput: there is still no connection.
    """
    connection.close()
    try:
        return ImportBatch.objects.filter(pk=batch.pk, state=ImportState.DONE).exists()
    except (OperationalError, InterfaceError) as error:
        raise InvalidInput(
            "The connection to the database was lost, so it is not known whether the file was imported. Look at the "
            "list of imports first."
        ) from error
