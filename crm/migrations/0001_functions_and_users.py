"""The functions of the database that columns and indexes use, and the users.

The functions do what `crm.text.letters` and `crm.records.duplicates.spelling.name_key` do. The users are in the first
migration because other apps' migrations name it as theirs.
"""

import django.contrib.auth.models
import django.contrib.auth.validators
import django.contrib.postgres.functions
import django.utils.timezone
import uuid_utils.compat
from django.contrib.postgres.operations import TrigramExtension, UnaccentExtension
from django.db import migrations, models

from crm.records.migration_operations import InOneStep

LETTERS = r"""
CREATE FUNCTION letters_without_accents(text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT translate(
        replace(replace(replace(
            lower(regexp_replace(normalize(translate($1, '’‘ʼ´`′', $q$''''''$q$), NFKD), '[\u0300-\u036f]', '', 'g')),
        'ß', 'ss'), 'æ', 'ae'), 'œ', 'oe'),
        'øłđðı', 'olddi')
$$;
-- The text in lower case, followed by its plain letters if they differ.
CREATE FUNCTION search_letters(text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
-- Bound when it is made: a dump is restored with a search path that has no functions of ours.
RETURN CASE WHEN letters_without_accents($1) = lower($1) THEN lower($1)
            ELSE lower($1) || ' ' || letters_without_accents($1) END;
"""
TAGS = """
CREATE FUNCTION lower_tags(tags text[]) RETURNS text[]
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT ARRAY(SELECT lower(tag) FROM unnest(tags) AS tag)
$$;
CREATE FUNCTION tags_are_distinct(tags text[]) RETURNS boolean
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT cardinality(tags) < 2 OR count(tag) = count(DISTINCT lower(tag)) FROM unnest(tags) AS tag
$$;
"""
NAME_KEY = r"""
CREATE FUNCTION name_key(text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
-- Bound when it is made: an index is built with a search path that has no functions of ours.
RETURN regexp_replace(regexp_replace(
        trim(regexp_replace(
            translate(regexp_replace(letters_without_accents($1), '^([^,]+), *([^ ].*)$', '\2 \1'), 'zcq''', 'skk'),
            '[\u0001-\u002f\u003a-\u0060\u007b-\u00bf]+', ' ', 'g')),
        '(?<=[a-z])[aeiouhwy]+', '', 'g'), '([a-z])\1+', '\1', 'g');
"""


class Migration(migrations.Migration):
    initial = True

    dependencies = [("auth", "0012_alter_user_first_name_max_length")]

    operations = [
        InOneStep(
            [
                TrigramExtension(),
                UnaccentExtension(),
                migrations.RunSQL(LETTERS),
                migrations.RunSQL(TAGS),
                migrations.RunSQL(NAME_KEY),
            ]
        ),
        migrations.CreateModel(
            name="User",
            fields=[
                ("password", models.CharField(max_length=128, verbose_name="password")),
                ("last_login", models.DateTimeField(blank=True, null=True, verbose_name="last login")),
                (
                    "is_superuser",
                    models.BooleanField(
                        default=False,
                        help_text="Designates that this user has all permissions without explicitly assigning them.",
                        verbose_name="superuser status",
                    ),
                ),
                (
                    "username",
                    models.CharField(
                        error_messages={"unique": "A user with that username already exists."},
                        help_text="Required. 150 characters or fewer. Letters, digits and @/./+/-/_ only.",
                        max_length=150,
                        unique=True,
                        validators=[django.contrib.auth.validators.UnicodeUsernameValidator()],
                        verbose_name="username",
                    ),
                ),
                ("first_name", models.CharField(blank=True, max_length=150, verbose_name="first name")),
                ("last_name", models.CharField(blank=True, max_length=150, verbose_name="last name")),
                ("email", models.EmailField(blank=True, max_length=254, verbose_name="email address")),
                (
                    "is_staff",
                    models.BooleanField(
                        default=False,
                        help_text="Designates whether the user can log into this admin site.",
                        verbose_name="staff status",
                    ),
                ),
                (
                    "is_active",
                    models.BooleanField(
                        default=True,
                        help_text="Designates whether this user should be treated as active. Unselect this instead of deleting accounts.",
                        verbose_name="active",
                    ),
                ),
                ("date_joined", models.DateTimeField(default=django.utils.timezone.now, verbose_name="date joined")),
                (
                    "id",
                    models.UUIDField(
                        db_default=django.contrib.postgres.functions.RandomUUID(),
                        default=uuid_utils.compat.uuid7,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("time_zone", models.CharField(blank=True, db_default="", default="", max_length=64)),
                (
                    "date_format",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("D MMM YYYY", "29 Nov 2026"),
                            ("MMM D, YYYY", "Nov 29, 2026"),
                            ("DD.MM.YYYY", "29.11.2026"),
                            ("YYYY-MM-DD", "2026-11-29"),
                        ],
                        db_default="",
                        default="",
                        max_length=20,
                    ),
                ),
                (
                    "time_format",
                    models.CharField(
                        blank=True,
                        choices=[("24h", "14:05"), ("12h", "2:05 PM")],
                        db_default="",
                        default="",
                        max_length=20,
                    ),
                ),
                (
                    "groups",
                    models.ManyToManyField(
                        blank=True,
                        help_text="The groups this user belongs to. A user will get all permissions granted to each of their groups.",
                        related_name="user_set",
                        related_query_name="user",
                        to="auth.group",
                        verbose_name="groups",
                    ),
                ),
                (
                    "user_permissions",
                    models.ManyToManyField(
                        blank=True,
                        help_text="Specific permissions for this user.",
                        related_name="user_set",
                        related_query_name="user",
                        to="auth.permission",
                        verbose_name="user permissions",
                    ),
                ),
            ],
            options={
                "verbose_name": "user",
                "verbose_name_plural": "users",
                "db_table": "users",
                "permissions": [
                    ("export_records", "Can export lists as files"),
                    ("export_person", "Can export everything about a person"),
                    ("erase_person", "Can erase a person"),
                ],
                "abstract": False,
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("time_zone", ""), ("time_zone__regex", "^[A-Za-z][A-Za-z0-9_+/-]*$"), _connector="OR"
                        ),
                        name="users_time_zone_valid",
                        violation_error_message="The time zone must be a name such as Europe/Berlin.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("date_format__in", ["", "D MMM YYYY", "MMM D, YYYY", "DD.MM.YYYY", "YYYY-MM-DD"])
                        ),
                        name="users_date_format_valid",
                        violation_error_message="The date format must be one of: D MMM YYYY; MMM D, YYYY; DD.MM.YYYY; YYYY-MM-DD.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("time_format__in", ["", "24h", "12h"])),
                        name="users_time_format_valid",
                        violation_error_message="The time format must be one of: 24h; 12h.",
                    ),
                ],
            },
            managers=[
                ("objects", django.contrib.auth.models.UserManager()),
            ],
        ),
    ]
