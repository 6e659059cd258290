"""The list of the approvals screen."""

from typing import Any
from urllib.parse import urlencode

from django.db import models
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Left
from django.http import HttpRequest

from crm.models import User
from crm.screens.lists import AFTER_PARAM, BEFORE_PARAM, ORDER_PARAM, KeysetChangeList
from crm.screens.paging import Order
from suggestions.choices import LabelCache
from suggestions.filters import WAITING_STATE
from suggestions.kinds import KINDS
from suggestions.models import Suggestion, SuggestionType
from suggestions.screens.content_form import payload_fields
from suggestions.screens.presenters import STATUS_COLOURS, TYPE_ICONS

SELECTED_PARAM = "show"
QUEUE_ORDER, ARCHIVE_ORDER = "urgent", "newest"
GIST_LENGTH = 160


class ApprovalsChangeList(KeysetChangeList):
    """A list with the selected suggestion beside it."""

    own_params = KeysetChangeList.own_params | {SELECTED_PARAM}

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> models.QuerySet:
        return super().get_queryset(request, exclude_parameters).annotate(gist=gist_expression())

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.names = LabelCache(request.user)
        select_url = urlencode([*self.active_params(ORDER_PARAM, AFTER_PARAM, BEFORE_PARAM), (SELECTED_PARAM, "")])
        for row in self.page.rows:
            row.select_url = f"?{select_url}{row.pk}"
            row.title = row_title(row, request.user)
            row.headline = row_headline(row, self.names) or row.type_label
            row.icon = TYPE_ICONS.get(row.type, "lightbulb")
            row.colour = STATUS_COLOURS.get(row.status, "grey")

    def available_orders(self) -> dict[str, Order]:
        """Return the orders; by urgency only what waits is in the order of an index."""
        orders = super().available_orders()
        is_queue = self.get.get("state", WAITING_STATE) == WAITING_STATE and not self.get.get("deleted")
        return orders if is_queue else {name: order for name, order in orders.items() if name != QUEUE_ORDER}

    def page_query(self) -> str:
        """Return the query string of this page of the list."""
        return urlencode(self.active_params(ORDER_PARAM, AFTER_PARAM, BEFORE_PARAM))


def gist_expression() -> models.Expression:
    """Return the start of the most telling field of a suggestion, so that the whole content is not loaded."""
    by_kind = [
        models.When(type=name, then=KeyTextTransform(kind.summary_field, "suggested_content"))
        for name, kind in KINDS.items()
        if kind.summary_field
    ]
    gist_text = models.Case(*by_kind, default=models.F("reasoning"), output_field=models.TextField())
    return Left(gist_text, GIST_LENGTH)


def row_title(row: Suggestion, user: User) -> str:
    """Return action and person, such as "Reply · Rajesh Nair". A customer that is hidden from `user` is not named."""
    person, customer = row.gist if row.type == SuggestionType.CREATE_LEAD else "", row.lead or row.client
    if customer is not None:
        name = row.lead.contact_name or row.lead.company_name if row.lead else customer.name
        person = name if customer.is_visible_to(user) else customer.hidden_name
    return f"{row.type_label} · {person}" if person else row.type_label


def row_headline(row: Suggestion, names: LabelCache) -> str:
    """Return the gist of `row`, with the label of a code instead of the code."""
    text, kind = row.gist or "", KINDS.get(row.type)
    if kind is None or not kind.summary_field or not text:
        return text
    source = payload_fields(kind.Payload)[kind.summary_field].get("choices")
    return kind.summary_format.format(names.label(source, text) if source else text)
