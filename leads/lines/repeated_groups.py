"""The repeated groups of lines, as they can become tables of their own."""

from collections.abc import Mapping

from crm.models import CustomFieldKind, CustomFieldTable
from crm.schema.promotion.group_table.groups import register_groups
from leads.lines.questions import WHOLE_NUMBER, questions_of
from leads.models import InsuranceType
from leads.models.insurance_type import COLUMN_BY_LINE

LINE_BY_COLUMN = {column: line for line, column in COLUMN_BY_LINE.items()}


def register_lead_groups() -> None:
    """Register the groups of leads; called once at start."""
    register_groups(CustomFieldTable.LEAD.value, find_lead_group)


def find_lead_group(column: str, steps: tuple[str, ...]) -> Mapping[str, str] | None:
    """Return the kinds of the questions of a group by key, retired ones included; None if no line has the group."""
    code, *rest = (LINE_BY_COLUMN[column], *steps) if column in LINE_BY_COLUMN else steps
    line = InsuranceType.everything.filter(code=code).first()
    if line is None or len(rest) != 1 or (column not in LINE_BY_COLUMN and code in COLUMN_BY_LINE):
        return None
    try:
        questions = questions_of(line.form_schema, rest[0])
    except KeyError:
        return None
    return {one.key: CustomFieldKind.NUMBER.value if one.kind == WHOLE_NUMBER else one.kind for one in questions}
