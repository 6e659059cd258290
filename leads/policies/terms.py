"""The term of a policy: the dates of the next one. Pure: no database."""

from calendar import monthrange
from datetime import date, timedelta


def next_term(effective_on: date, expires_on: date) -> tuple[date, date]:
    """Return the dates of the term after the given one, which is as long as it, in whole months where it has them."""
    months = (expires_on.year - effective_on.year) * 12 + expires_on.month - effective_on.month
    if months > 0 and add_months(effective_on, months) == expires_on:
        # Counted from the first day, so that a term from 31 January does not end earlier each month.
        return expires_on, add_months(effective_on, 2 * months)
    return expires_on, expires_on + (expires_on - effective_on)


def add_months(day: date, months: int) -> date:
    """Return the same day `months` later, or the last day of that month if it is shorter."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return day.replace(year=year, month=month + 1, day=min(day.day, monthrange(year, month + 1)[1]))


def days_until(expires_on: date, today: date) -> str:
    """Return when a policy expires, in words: "in 12 days", "today", "3 days ago"."""
    days = (expires_on - today).days
    if days == 0:
        return "today"
    count = timedelta(days=abs(days)).days
    span = f"{count} day" if count == 1 else f"{count} days"
    return f"in {span}" if days > 0 else f"{span} ago"
