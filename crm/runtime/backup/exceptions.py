"""What can be wrong with a backup."""


class BackupError(Exception):
    """A backup cannot be made, read or restored; the message is a sentence for the user."""


class BackupDamaged(BackupError):
    """The file is no backup, or no longer the one that was written."""
