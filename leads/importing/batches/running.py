"""Check, import or undo a batch in a job: one job a batch, with progress that others see, stopped when it is cancelled.

An import is one transaction, so what it writes about its progress would be invisible until the end. A second
connection writes it, and reads whether the import was cancelled. It also holds a lock while the job lives: a job that
starts twice does nothing the second time, and one that follows a crash finds the lock free.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from django.db import InterfaceError, OperationalError, connection
from django.db.backends.base.base import BaseDatabaseWrapper

from crm.exceptions import ActionRefused, IllegalTransition
from crm.records.activity import Actor
from crm.runtime.job_queue import job_lock
from leads.importing.batches.files import open_stored_file, result_path
from leads.importing.batches.transitions import claim_run, save_check, save_failure, settle_encoding
from leads.importing.batches.undo import undo_import
from leads.importing.exceptions import BatchLocked, ImportCancelled
from leads.importing.files.opening import file_hash
from leads.importing.files.sheets import SheetFile
from leads.importing.preview import ImportOptions
from leads.importing.transitions import ImportRun, run_import
from leads.models import ImportBatch, ImportState

logger = logging.getLogger(__name__)

SAVE_PROGRESS_SQL = "UPDATE import_batches SET rows_done = %s WHERE id = %s AND state IN ('CHECKING', 'RUNNING')"
READ_STATE_SQL = "SELECT state FROM import_batches WHERE id = %s"


class BatchMonitor:
    """The second connection of a job."""

    def __init__(self, key: UUID, own_connection: BaseDatabaseWrapper) -> None:
        self.key, self.connection, self.state = key, own_connection, ""

    def sessions(self) -> tuple[Any, Any]:
        """Return the connections of the job and of this monitor, to the database itself."""
        return connection.connection, self.connection.connection

    def is_connection_lost(self, before: tuple[Any, Any]) -> bool:
        """Return whether one of the sessions `before` has ended, as after a crash of the database."""
        return self.sessions() != before or any(one.closed for one in before)

    def count(self, rows: int) -> None:
        """Save how many rows are read.

        Raises:
            ImportCancelled: the batch was cancelled. It may even be checked again since.
        """
        with self.connection.cursor() as cursor:
            cursor.execute(SAVE_PROGRESS_SQL, [rows, self.key])
            cursor.execute(READ_STATE_SQL, [self.key])
            row = cursor.fetchone()
        if row and row[0] != self.state:
            raise ImportCancelled


@contextmanager
def monitored(key: UUID) -> Iterator[BatchMonitor]:
    """Open the second connection of a job, and keep other jobs away from the batch until the block ends.

    Raises:
        BatchLocked: another job works on it.
    """
    own_connection = connection.copy()
    try:
        with job_lock(own_connection, "leads.importing.batches", str(key)) as is_free:
            if not is_free:
                raise BatchLocked
            yield BatchMonitor(key, own_connection)
    finally:
        own_connection.close()


def run_batch(key: UUID) -> None:
    """Check, import or undo the batch with this key, as its state says.

    Raises:
        BatchLocked: another job works on it; try again later.
        OperationalError, InterfaceError: the connection to the database was lost; try again later.
    """
    with monitored(key) as monitor:
        batch = claim_run(key)
        if batch is None:
            return
        monitor.state, sessions = batch.state, monitor.sessions()
        try:
            run_claimed(batch, monitor)
        except ImportCancelled:
            logger.info("The import %s was cancelled.", key)
        except ActionRefused as error:
            if monitor.is_connection_lost(sessions):
                raise OperationalError(str(error)) from error
            save_failure(batch, str(error))
        except Exception as error:
            if isinstance(error, (OperationalError, InterfaceError)) and monitor.is_connection_lost(sessions):
                raise
            save_failure(batch, "Nothing was changed, because of an error in the program. The log has the details.")
            raise


def run_claimed(batch: ImportBatch, monitor: BatchMonitor) -> None:
    """Check, import or undo `batch`.

    Raises:
        ImportCancelled: it was cancelled.
        ActionRefused: the file cannot be imported.
    """
    if batch.state == ImportState.UNDOING:
        undo_import(batch)
        return
    if batch.imported_by is None:
        raise IllegalTransition("The user who uploaded this file no longer exists. Upload it again.")
    settle_encoding(batch)
    file = open_stored_file(batch)
    if file_hash(file.path) != batch.file_hash:
        raise IllegalTransition("The stored file has changed since it was uploaded. Upload it again.")
    options, actor = ImportOptions.from_json(batch.options), Actor.of(batch.imported_by)
    if batch.state == ImportState.CHECKING:
        save_check(batch, run_import(ImportRun(file, actor, batch, dry_run=True, count=monitor.count), options))
        return
    # The skipped rows of a workbook can be taken as one, in which numbers stay numbers.
    kinds = ("errors", "errors_xlsx") if isinstance(file, SheetFile) else ("errors",)
    errors, doubts = [result_path(batch, kind) for kind in kinds], result_path(batch, "doubts")
    run_import(ImportRun(file, actor, batch, errors, doubts, count=monitor.count), options)
