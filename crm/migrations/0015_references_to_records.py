"""Kinds of custom fields that refer to a record, and the functions that give their values as keys, or null.

The functions never fail: a text that is no key is none.
"""

from django.db import migrations, models

from crm.records.migration_operations import InOneStep

CREATE_FUNCTIONS_SQL = r"""
CREATE FUNCTION json_uuid(data jsonb, key text) RETURNS uuid
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN jsonb_typeof(data -> key) = 'string'
                 AND data ->> key ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
                THEN (data ->> key)::uuid END
$$;
CREATE FUNCTION json_uuid_key(data jsonb, key text) RETURNS uuid
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN coalesce(json_uuid(data, key), '00000000-0000-0000-0000-000000000000'::uuid);
"""
DROP_FUNCTIONS_SQL = "DROP FUNCTION json_uuid_key(jsonb, text); DROP FUNCTION json_uuid(jsonb, text);"


class Migration(migrations.Migration):
    dependencies = [
        ("crm", "0014_error_of_kind_change"),
    ]

    operations = [
        InOneStep(
            [
                migrations.RunSQL(CREATE_FUNCTIONS_SQL, DROP_FUNCTIONS_SQL),
                migrations.RemoveConstraint(
                    model_name="customfield",
                    name="custom_fields_kind_valid",
                ),
                migrations.RemoveConstraint(
                    model_name="kindchange",
                    name="kind_changes_from_kind_valid",
                ),
                migrations.RemoveConstraint(
                    model_name="kindchange",
                    name="kind_changes_to_kind_valid",
                ),
                migrations.RemoveConstraint(
                    model_name="schemachange",
                    name="schema_changes_kind_valid",
                ),
                migrations.AlterField(
                    model_name="customfield",
                    name="kind",
                    field=models.CharField(
                        choices=[
                            ("text", "Text"),
                            ("long_text", "Long text"),
                            ("number", "Number"),
                            ("money", "Money"),
                            ("yes_no", "Yes or no"),
                            ("date", "Date"),
                            ("date_time", "Date and time"),
                            ("choice", "Choice"),
                            ("choices", "Several choices"),
                            ("link", "Link"),
                            ("email", "Email"),
                            ("phone", "Phone"),
                            ("lead", "Reference to a lead"),
                            ("client", "Reference to a client"),
                            ("contact", "Reference to a contact"),
                            ("policy", "Reference to a policy"),
                            ("ticket", "Reference to a ticket"),
                            ("project", "Reference to a project"),
                            ("staff", "Reference to a user"),
                        ],
                        max_length=20,
                    ),
                ),
                migrations.AlterField(
                    model_name="customfieldevent",
                    name="kind",
                    field=models.CharField(
                        choices=[
                            ("text", "Text"),
                            ("long_text", "Long text"),
                            ("number", "Number"),
                            ("money", "Money"),
                            ("yes_no", "Yes or no"),
                            ("date", "Date"),
                            ("date_time", "Date and time"),
                            ("choice", "Choice"),
                            ("choices", "Several choices"),
                            ("link", "Link"),
                            ("email", "Email"),
                            ("phone", "Phone"),
                            ("lead", "Reference to a lead"),
                            ("client", "Reference to a client"),
                            ("contact", "Reference to a contact"),
                            ("policy", "Reference to a policy"),
                            ("ticket", "Reference to a ticket"),
                            ("project", "Reference to a project"),
                            ("staff", "Reference to a user"),
                        ],
                        max_length=20,
                    ),
                ),
                migrations.AlterField(
                    model_name="kindchange",
                    name="from_kind",
                    field=models.CharField(
                        choices=[
                            ("text", "Text"),
                            ("long_text", "Long text"),
                            ("number", "Number"),
                            ("money", "Money"),
                            ("yes_no", "Yes or no"),
                            ("date", "Date"),
                            ("date_time", "Date and time"),
                            ("choice", "Choice"),
                            ("choices", "Several choices"),
                            ("link", "Link"),
                            ("email", "Email"),
                            ("phone", "Phone"),
                            ("lead", "Reference to a lead"),
                            ("client", "Reference to a client"),
                            ("contact", "Reference to a contact"),
                            ("policy", "Reference to a policy"),
                            ("ticket", "Reference to a ticket"),
                            ("project", "Reference to a project"),
                            ("staff", "Reference to a user"),
                        ],
                        max_length=20,
                    ),
                ),
                migrations.AlterField(
                    model_name="kindchange",
                    name="to_kind",
                    field=models.CharField(
                        choices=[
                            ("text", "Text"),
                            ("long_text", "Long text"),
                            ("number", "Number"),
                            ("money", "Money"),
                            ("yes_no", "Yes or no"),
                            ("date", "Date"),
                            ("date_time", "Date and time"),
                            ("choice", "Choice"),
                            ("choices", "Several choices"),
                            ("link", "Link"),
                            ("email", "Email"),
                            ("phone", "Phone"),
                            ("lead", "Reference to a lead"),
                            ("client", "Reference to a client"),
                            ("contact", "Reference to a contact"),
                            ("policy", "Reference to a policy"),
                            ("ticket", "Reference to a ticket"),
                            ("project", "Reference to a project"),
                            ("staff", "Reference to a user"),
                        ],
                        max_length=20,
                    ),
                ),
                migrations.AlterField(
                    model_name="schemachange",
                    name="kind",
                    field=models.CharField(
                        blank=True,
                        choices=[
                            ("text", "Text"),
                            ("long_text", "Long text"),
                            ("number", "Number"),
                            ("money", "Money"),
                            ("yes_no", "Yes or no"),
                            ("date", "Date"),
                            ("date_time", "Date and time"),
                            ("choice", "Choice"),
                            ("choices", "Several choices"),
                            ("link", "Link"),
                            ("email", "Email"),
                            ("phone", "Phone"),
                            ("lead", "Reference to a lead"),
                            ("client", "Reference to a client"),
                            ("contact", "Reference to a contact"),
                            ("policy", "Reference to a policy"),
                            ("ticket", "Reference to a ticket"),
                            ("project", "Reference to a project"),
                            ("staff", "Reference to a user"),
                        ],
                        db_default="",
                        default="",
                        editable=False,
                        max_length=20,
                    ),
                ),
                migrations.AddConstraint(
                    model_name="customfield",
                    constraint=models.CheckConstraint(
                        condition=models.Q(
                            (
                                "kind__in",
                                [
                                    "text",
                                    "long_text",
                                    "number",
                                    "money",
                                    "yes_no",
                                    "date",
                                    "date_time",
                                    "choice",
                                    "choices",
                                    "link",
                                    "email",
                                    "phone",
                                    "lead",
                                    "client",
                                    "contact",
                                    "policy",
                                    "ticket",
                                    "project",
                                    "staff",
                                ],
                            )
                        ),
                        name="custom_fields_kind_valid",
                        violation_error_message="The kind must be one of: text, long_text, number, money, yes_no, date, date_time, choice, choices, link, email, phone, lead, client, contact, policy, ticket, project, staff.",
                    ),
                ),
                migrations.AddConstraint(
                    model_name="kindchange",
                    constraint=models.CheckConstraint(
                        condition=models.Q(
                            (
                                "from_kind__in",
                                [
                                    "text",
                                    "long_text",
                                    "number",
                                    "money",
                                    "yes_no",
                                    "date",
                                    "date_time",
                                    "choice",
                                    "choices",
                                    "link",
                                    "email",
                                    "phone",
                                    "lead",
                                    "client",
                                    "contact",
                                    "policy",
                                    "ticket",
                                    "project",
                                    "staff",
                                ],
                            )
                        ),
                        name="kind_changes_from_kind_valid",
                        violation_error_message="The from kind must be one of: text, long_text, number, money, yes_no, date, date_time, choice, choices, link, email, phone, lead, client, contact, policy, ticket, project, staff.",
                    ),
                ),
                migrations.AddConstraint(
                    model_name="kindchange",
                    constraint=models.CheckConstraint(
                        condition=models.Q(
                            (
                                "to_kind__in",
                                [
                                    "text",
                                    "long_text",
                                    "number",
                                    "money",
                                    "yes_no",
                                    "date",
                                    "date_time",
                                    "choice",
                                    "choices",
                                    "link",
                                    "email",
                                    "phone",
                                    "lead",
                                    "client",
                                    "contact",
                                    "policy",
                                    "ticket",
                                    "project",
                                    "staff",
                                ],
                            )
                        ),
                        name="kind_changes_to_kind_valid",
                        violation_error_message="The to kind must be one of: text, long_text, number, money, yes_no, date, date_time, choice, choices, link, email, phone, lead, client, contact, policy, ticket, project, staff.",
                    ),
                ),
                migrations.AddConstraint(
                    model_name="schemachange",
                    constraint=models.CheckConstraint(
                        condition=models.Q(
                            (
                                "kind__in",
                                [
                                    "",
                                    "text",
                                    "long_text",
                                    "number",
                                    "money",
                                    "yes_no",
                                    "date",
                                    "date_time",
                                    "choice",
                                    "choices",
                                    "link",
                                    "email",
                                    "phone",
                                    "lead",
                                    "client",
                                    "contact",
                                    "policy",
                                    "ticket",
                                    "project",
                                    "staff",
                                ],
                            )
                        ),
                        name="schema_changes_kind_valid",
                        violation_error_message="The kind must be one of a custom field.",
                    ),
                ),
                migrations.AddConstraint(
                    model_name="customfield",
                    constraint=models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("kind__in", ["lead", "client", "contact", "policy", "ticket", "project", "staff"]),
                                _negated=True,
                            ),
                            ("default_value__isnull", True),
                            _connector="OR",
                        ),
                        name="custom_fields_reference_without_default",
                        violation_error_message="A reference has no default.",
                    ),
                ),
            ]
        ),
    ]
