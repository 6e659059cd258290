"""What a score means. Pure: no database."""

from decimal import Decimal

from leads.models import Tier

HOT = Decimal("0.70")
WARM = Decimal("0.40")


def tier_of(score: Decimal | None) -> str | None:
    """The tier of a `score` in 0..1; None where nothing was scored yet."""
    if score is None:
        return None
    if score >= HOT:
        return Tier.HOT
    return Tier.WARM if score >= WARM else Tier.COLD
