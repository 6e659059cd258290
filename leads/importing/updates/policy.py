"""What happens with a row that is a record already. Pure: no database."""

from django.db.models import TextChoices


class DuplicatePolicy(TextChoices):
    """What an import does with a row that is a record already."""

    SKIP = "skip", "Skip the row"
    UPDATE = "update", "Update the record"
    FILL = "fill", "Fill empty fields"

    @property
    def effect(self) -> str:
        """What the policy does, in a sentence."""
        return POLICY_EFFECTS[self]

    @property
    def changes_records(self) -> bool:
        return self != DuplicatePolicy.SKIP


POLICY_EFFECTS = {
    DuplicatePolicy.SKIP: "The record stays as it is. The row goes to the file with the skipped rows.",
    DuplicatePolicy.UPDATE: "Where the file has a value, it replaces the one of the record. Tags are added.",
    DuplicatePolicy.FILL: "Only fields without a value are filled. Tags are added.",
}
