"""How the demo agency used its fields lately: as made up as the agency."""

from datetime import date, timedelta

from crm.models import FieldUsage, FieldUse, User

DAYS = 45
SATURDAY = 5
LEADS, CLIENTS = "leads.lead", "crm.client"
# Uses on a busy day: table, column, key, the counts, and the users.
USES: tuple[tuple[str, str, str, dict[str, int], tuple[str, ...]], ...] = (
    (LEADS, "custom_fields", "referral_source", {FieldUse.FILTERED: 4, FieldUse.SHOWN: 9}, ("dana", "luis", "marian")),
    (LEADS, "custom_fields", "renewal_date", {FieldUse.FILTERED: 6, FieldUse.SHOWN: 14}, ("dana", "anika", "luis")),
    (LEADS, "custom_fields", "preferred_language", {FieldUse.SHOWN: 16, FieldUse.EDITED: 1}, ("luis", "anika")),
    (LEADS, "custom_fields", "household_size", {FieldUse.SHOWN: 8}, ("dana", "anika")),
    (LEADS, "custom_fields", "ADHD Support", {FieldUse.SHOWN: 1}, ("anika",)),
    (LEADS, "auto_data", "vin", {FieldUse.SHOWN: 5, FieldUse.EDITED: 2}, ("dana", "luis")),
    (CLIENTS, "custom_fields", "account_level", {FieldUse.FILTERED: 3, FieldUse.SHOWN: 7}, ("marian", "dana")),
    (CLIENTS, "custom_fields", "employees", {FieldUse.SHOWN: 12, FieldUse.EXPORTED: 1}, ("marian",)),
    (CLIENTS, "custom_fields", "policies", {FieldUse.SHOWN: 12}, ("marian", "luis")),
)


def add_field_usage(today: date) -> None:
    """Insert the counts of the workdays before `today`: fewer on some days, and each day by one more of the users."""
    keys = dict(User.objects.values_list("username", "pk"))
    rows = []
    for day in (today - timedelta(days=number) for number in range(1, DAYS + 1)):
        if day.weekday() >= SATURDAY:
            continue
        for place, (table, column, key, counts, users) in enumerate(USES):
            share = (day.toordinal() + place) % 4
            people = [keys[name] for name in users[: 1 + share] if name in keys]
            counted = {use: count * share // 2 for use, count in counts.items()}
            if any(counted.values()):
                rows.append(FieldUsage(table=table, column=column, key=key, day=day, people=people, **counted))
    FieldUsage.objects.bulk_create(rows)
