"""When a row of a file of leads is a lead already.

A row is compared by its address, its phone number in any notation, name and company, and the identifier of the other
system. An open row is compared with open leads, because a closed lead of the same customer is an earlier deal. A
closed row is the same deal only if stage, day of closing and value agree too; if the import changes leads, it can also
be the end of an open lead that existed on its day of closing.
"""

from leads.importing.tables.matching import (
    OTHER_KEY_SQL,
    SAME_KEY_SQL,
    DuplicateRules,
    FileRule,
    RecordRule,
    other_address,
)
from leads.models import ImportedTable, Lead

SAME_SALE_SQL = """
    CASE WHEN imported.is_open THEN existing.closed_at IS NULL
        ELSE existing.status_id = imported.status_id
             AND (imported.closed_at IS NULL OR existing.closed_at::date = imported.closed_at::date)
             AND existing.estimated_value IS NOT DISTINCT FROM imported.estimated_value
             OR %(changes_records)s AND existing.closed_at IS NULL
                AND existing.created_at::date <= coalesce(imported.closed_at, now())::date END
"""
OTHER_ADDRESS_SQL = other_address("imported.contact_email", "existing.contact_email")
ONE_ADDRESS_SQL = "(address = '' OR first_address = '' OR address = first_address)"
# A closed row can be the end of an open lead. It is not if the same deal is a closed lead already.
DELETE_WEAKER_MATCHES_SQL = """
    DELETE FROM imported_matches AS weaker
     USING imported_rows AS imported, leads
     WHERE imported.number = weaker.number AND NOT imported.is_open AND leads.id = weaker.record_id
       AND leads.closed_at IS NULL
       AND EXISTS (SELECT FROM imported_matches AS other JOIN leads AS closed ON closed.id = other.record_id
                    WHERE other.number = weaker.number AND closed.closed_at IS NOT NULL)
"""
NAME_AND_COMPANY_SQL = "concat(imported.contact_name, ', ', imported.company_name)"
LEAD_DUPLICATES = DuplicateRules(
    ImportedTable.LEADS,
    Lead,
    records=(
        RecordRule(
            "email",
            2,
            "lower(existing.contact_email) = lower(imported.contact_email) AND existing.contact_email <> '' "
            f"AND {SAME_SALE_SQL} AND (imported.is_open OR NOT {OTHER_KEY_SQL})",
            "imported.contact_email",
            "imported.contact_email <> ''",
        ),
        RecordRule(
            "company",
            4,
            "lower(existing.company_name) = lower(imported.company_name) AND existing.company_name <> '' "
            "AND lower(existing.contact_name) = lower(imported.contact_name) "
            f"AND {SAME_SALE_SQL} AND NOT {OTHER_KEY_SQL} AND NOT {OTHER_ADDRESS_SQL}",
            NAME_AND_COMPANY_SQL,
            "imported.company_name <> ''",
        ),
    ),
    # A number can be that of a household or a switchboard: two names with two addresses are two people.
    phone=f"{SAME_SALE_SQL} AND NOT {OTHER_KEY_SQL} "
    f"AND NOT ({OTHER_ADDRESS_SQL} AND lower(existing.contact_name) <> lower(imported.contact_name))",
    phone_column="contact_phone",
    key="lower(existing.contact_name) = lower(imported.contact_name)",
    refine=DELETE_WEAKER_MATCHES_SQL,
    compared={
        "record_key": "record_key",
        "address": "lower(contact_email)",
        "name": "lower(contact_name)",
    },
    # Closed rows may repeat: they are several deals of a customer.
    file=(
        FileRule("email", 2, "lower(contact_email)", "contact_email", "is_open AND contact_email <> ''", "true"),
        FileRule(
            "phone",
            3,
            "phone_key",
            "contact_phone",
            "is_open AND phone_key <> ''",
            f"{SAME_KEY_SQL} AND ({ONE_ADDRESS_SQL} OR name = first_name)",
        ),
        FileRule(
            "company",
            4,
            "lower(contact_name), lower(company_name)",
            NAME_AND_COMPANY_SQL,
            "is_open AND company_name <> ''",
            f"{SAME_KEY_SQL} AND {ONE_ADDRESS_SQL}",
        ),
    ),
)
