"""The screens of policies: list, page and form."""

from collections.abc import Iterable
from typing import Any

from django.db import models
from django.http import HttpRequest

from crm.models import User
from crm.records.local_time import agency_today
from crm.screens.charts import ListChart
from crm.screens.custom_fields.bulk_edit import set_field_action
from crm.screens.export import ExportColumn, ListExport
from crm.screens.json_forms.schema import Schema
from crm.screens.lists import Column, Tab, optional_column
from crm.screens.paging import Order
from crm.screens.record_admin import RecordAdmin
from leads.exporting.line_answers import policy_line_columns
from leads.forms import SHOW_LINE, chosen_line
from leads.lines.form_schemas import line_schema
from leads.models import InsuranceType, Lead, Policy, PolicyStatus
from leads.models.policy import EXPIRY_SORT_KEY, PREMIUM_SORT_KEY
from leads.policies.action_forms import (
    ActivatePolicy,
    AddPolicyNote,
    BindPolicy,
    CancelPolicy,
    LapsePolicy,
    OpenRenewalLead,
    ReactivatePolicy,
    RenewPolicy,
)
from leads.policies.filters import EXPIRING, PolicyFilter
from leads.policies.forms import PolicyForm, UncheckedPolicyForm
from leads.policies.transitions import create_policy
from leads.screens.line_data import describe_line_data

ID_SORT_KEY = {"id": models.F("id")}
MAX_RENEWALS_ON_PAGE = 20
# Large columns that neither a row of the list nor a line of its export holds.
UNEXPORTED_COLUMNS = (
    "search_text",
    "client__notes",
    "client__address",
    "client__communications",
    "client__custom_fields",
    "client__search_text",
    "insurance_type__description",
    "insurance_type__form_schema",
)
UNSHOWN_COLUMNS = ("data", "custom_fields", *UNEXPORTED_COLUMNS)


def expiring_rows(rows: models.QuerySet, user: Any) -> models.QuerySet:
    return rows.live().expiring(agency_today())


def status_tab(status: PolicyStatus, label: str) -> Tab:
    return Tab(label, {"status": status.value}, lambda rows, user: rows.live().filter(status=status))


class PolicyAdmin(RecordAdmin):
    form = PolicyForm
    is_importable = True
    filterset_class = PolicyFilter
    search_label = "Search by policy number or carrier"
    found_name = "number"
    max_count = 1_000
    row_template = "leads/policies/row.html"
    page_template = "leads/policies/page.html"
    list_select_related = ("client__assigned_to", "insurance_type")
    list_defer = UNSHOWN_COLUMNS
    columns = (
        Column("Policy", exports=("Line", "Carrier", "Number")),
        Column("Client", exports=("Client",)),
        Column("Status", exports=("Status",)),
        Column("Expires", "expiry", exports=("Expires on",)),
        Column("Premium", "premium", "num", exports=("Premium",)),
        Column("Owner", exports=("Owner",)),
        optional_column("Effective", "Effective on"),
        optional_column("Billing", "Billing period"),
    )
    orders = {
        "expiry": Order("Next to expire first", {"expiry": EXPIRY_SORT_KEY, **ID_SORT_KEY}, descending=False),
        "premium": Order("Highest premium first", {"premium": PREMIUM_SORT_KEY, **ID_SORT_KEY}),
        "newest": Order("Newest first", ID_SORT_KEY),
    }
    tabs = (
        Tab("All"),
        Tab(f"Expiring in {EXPIRING} days", {"expiring": EXPIRING}, expiring_rows),
        status_tab(PolicyStatus.QUOTED, "Quotes"),
        status_tab(PolicyStatus.ACTIVE, "Active"),
        status_tab(PolicyStatus.LAPSED, "Lapsed"),
        Tab("Deleted", {"deleted": "true"}, lambda rows, user: rows.deleted(), "leads.restore_policy"),
    )
    page_actions = (
        BindPolicy,
        ActivatePolicy,
        RenewPolicy,
        ReactivatePolicy,
        OpenRenewalLead,
        LapsePolicy,
        AddPolicyNote,
        CancelPolicy,
    )
    bulk_actions = (set_field_action(Policy),)
    list_chart = ListChart(
        {
            "status": "status",
            "line": "insurance_type__code",
            "carrier": "carrier",
            "owner": "client__assigned_to_id",
        },
        amounts={"Premium": "premium"},
    )
    list_export = ListExport(
        (
            ExportColumn("Client", "client__name"),
            ExportColumn("Line", "insurance_type__name"),
            ExportColumn("Carrier", "carrier"),
            ExportColumn("Number", "number"),
            ExportColumn("Status", "status"),
            ExportColumn("Premium", "premium"),
            ExportColumn("Annualised premium", "annual_premium"),
            ExportColumn("Billing period", "billing_period"),
            ExportColumn("Effective on", "effective_on"),
            ExportColumn("Expires on", "expires_on"),
            ExportColumn("Owner", "client__assigned_to__username"),
        ),
        prepare=lambda policies, user: (
            policies.with_annual_premium()
            .select_related("client__assigned_to", "insurance_type")
            .defer(*UNEXPORTED_COLUMNS)
        ),
        find_columns=policy_line_columns,
        has_custom_fields=True,
    )
    menu_links = (("leads_policy_book", "menu_book", "Book of business"),)
    autocomplete_fields = ("client", "lead")
    fieldsets = (
        (
            "Policy",
            {
                "fields": (
                    ("client", "insurance_type"),
                    ("carrier", "number"),
                    ("premium", "billing_period"),
                    ("effective_on", "expires_on"),
                    ("status", "lead"),
                    "loaded_digest",
                )
            },
        ),
        ("Coverage", {"fields": ("data",)}),
        ("Custom fields", {"classes": ("tab",), "fields": ("custom_fields",)}),
    )

    def get_fieldsets(self, request: HttpRequest, obj: Policy | None = None) -> Any:
        """Show the fields of the line once it is chosen, and the status of a new policy only."""
        policy, coverage, custom = super().get_fieldsets(request, obj)
        line = obj or chosen_line(request.POST, request.GET, InsuranceType.objects.only("code"))
        if obj:
            rows = [("lead",) if row == ("status", "lead") else row for row in policy[1]["fields"]]
            policy = (policy[0], {**policy[1], "fields": rows})
        return [policy, coverage, custom] if line else [policy, custom]

    def get_readonly_fields(self, request: HttpRequest, obj: Policy | None = None) -> tuple[str, ...]:
        return ("client", "insurance_type") if obj else ()

    def get_form(self, request: HttpRequest, obj: Policy | None = None, change: bool = False, **kwargs: Any) -> Any:
        if SHOW_LINE in request.POST:
            kwargs["form"] = UncheckedPolicyForm
        return super().get_form(request, obj, change=change, **kwargs)

    def found_details(self, row: Policy, reader: User) -> Iterable[Any]:
        return row.client.name_for(reader), row.get_status_display(), row.expiry_text

    def create_record(self, request: HttpRequest, row: Policy) -> None:
        create_policy(row, by=request.user)

    def json_schemas(self, row: Policy) -> dict[str, Schema]:
        return {**super().json_schemas(row), "data": line_schema(row.insurance_type)}

    def page_context(self, request: HttpRequest, row: Policy) -> dict[str, Any]:
        own, leads = row.renewals.select_related("insurance_type"), Lead.objects.visible_to(request.user)
        previous = Policy.objects.select_related("insurance_type").filter(pk=row.renewed_from_id).first()
        return {
            **super().page_context(request, row),
            "coverage": describe_line_data(row.data, line_schema(row.insurance_type)),
            "previous_policy": previous,
            "renewals": own.filter(deleted_at=None).order_by("-id")[:MAX_RENEWALS_ON_PAGE],
            "lead": leads.filter(pk=row.lead_id).first() if row.lead_id else None,
            "renewal_lead": leads.filter(pk=row.renewal_lead_id).first() if row.renewal_lead_id else None,
        }
