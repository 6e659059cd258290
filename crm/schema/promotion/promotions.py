"""Which promotion carries out which decision."""

from crm.models import SchemaChange, SchemaDecision
from crm.schema.promotion.base import Promotion
from crm.schema.promotion.column_promotion import ColumnPromotion
from crm.schema.promotion.group_table.promotion import TablePromotion
from crm.schema.promotion.index_promotion import IndexPromotion

PROMOTIONS: dict[str, type[Promotion]] = {
    SchemaDecision.INDEX: IndexPromotion,
    SchemaDecision.COLUMN: ColumnPromotion,
    SchemaDecision.TABLE: TablePromotion,
}


def promotion_of(change: SchemaChange) -> Promotion:
    """Return how the decision of `change` is carried out; it is one of `APPLIED_BY_JOB`."""
    return PROMOTIONS[change.decision](change)
