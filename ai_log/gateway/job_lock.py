"""The lock of the jobs that ask a model."""

from uuid import UUID

# However many workers there are, only so many jobs wait for a model at a time, so that no email waits behind them.
MAX_PARALLEL_QUESTIONS = 2


def model_job_lock(key: UUID) -> str:
    """Return the lock of a job that asks a model about the record `key`."""
    return f"model {key.int % MAX_PARALLEL_QUESTIONS}"
