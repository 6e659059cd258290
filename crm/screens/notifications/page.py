"""The page of a user's own notifications."""

from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.contrib.admin import AdminSite
from django.db.models import F
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from crm.exceptions import InvalidInput
from crm.models import Notification, NotificationKind
from crm.records.notifications.reading import UNAVAILABLE, describe
from crm.records.notifications.transitions import mark_all_read, mark_read
from crm.screens.notifications.badges import MAX_BADGE_COUNT, format_badge
from crm.screens.notifications.bell import bell_view, parse_since
from crm.screens.notifications.mention_offer import mention_offer_view
from crm.screens.notifications.own_ways import own_ways_view
from crm.screens.paging import Order, Page, capped_counts, fetch_page

PAGE_SIZE = 50
NEWEST_FIRST = Order("Newest first", {"changed": F("changed_at"), "id": F("id")})


def notification_urls(site: AdminSite) -> list[URLPattern]:
    def page(route: str, view: Any, name: str) -> URLPattern:
        return path(route, site.admin_view(view), {"site": site}, name=name)

    return [
        page("notifications/", notifications_view, "notifications"),
        page("notifications/bell/", bell_view, "notification_bell"),
        page("notifications/names/", mention_offer_view, "mention_offer"),
        page("notifications/settings/", own_ways_view, "own_notifications"),
        page("notifications/<uuid:pk>/", open_view, "crm_notification_open"),
    ]


def notifications_view(request: HttpRequest, site: AdminSite) -> HttpResponse:
    """List the notifications of the reader; mark one of them, or all that are listed, as read."""
    kind = request.GET.get("kind", "")
    kind = kind if kind in NotificationKind.values else ""
    is_unread_only = request.GET.get("state") == "unread"
    if request.method == "POST":
        return mark_view(request, kind)
    rows = Notification.objects.shown_to(request.user).select_related("actor")
    rows = rows.filter(kind=kind) if kind else rows
    found, is_gone = read_page(rows.unread() if is_unread_only else rows, request.GET.get("after"))
    filters = {**({"kind": kind} if kind else {}), **({"state": "unread"} if is_unread_only else {})}
    context = {
        **site.each_context(request),
        "title": "Notifications",
        "lines": describe(found.rows, request.user),
        "chips": make_chips(request, kind, is_unread_only),
        "older": f"?{urlencode({**filters, 'after': found.next})}" if found.next else "",
        "is_gone": is_gone,
        "kind": NotificationKind(kind).label if kind else "",
        "is_unread_only": is_unread_only,
        "until": timezone.now().isoformat(),
    }
    return TemplateResponse(request, "crm/notifications/page.html", context)


def read_page(rows: Any, after: str | None) -> tuple[Page, bool]:
    """Return a page of `rows`, and whether the address named one that does not exist; then it is the first."""
    try:
        return fetch_page(rows.order_by(), NEWEST_FIRST, size=PAGE_SIZE, after=after), False
    except InvalidInput:
        return fetch_page(rows.order_by(), NEWEST_FIRST, size=PAGE_SIZE), True


def make_chips(request: HttpRequest, kind: str, is_unread_only: bool) -> list[dict[str, Any]]:
    """Return the filters, with the number of unread notifications of each kind."""
    unread = Notification.objects.shown_to(request.user).unread()
    querysets = {"": unread, **{one: unread.filter(kind=one) for one in NotificationKind.values}}
    counts = capped_counts(querysets, MAX_BADGE_COUNT)
    chips = [{"label": "All", "query": "", "is_chosen": not kind and not is_unread_only, "count": ""}]
    unread_chip = {"label": "Unread", "query": "?state=unread", "is_chosen": is_unread_only and not kind}
    chips.append({**unread_chip, "count": format_badge(counts[""])})
    for one in NotificationKind:
        chip = {"label": one.label, "query": f"?kind={one}", "is_chosen": one == kind}
        chips.append({**chip, "count": format_badge(counts[one])})
    return chips


def mark_view(request: HttpRequest, kind: str) -> HttpResponse:
    """Mark one notification as read, or all of the page as it was loaded."""
    now, key = timezone.now(), request.POST.get("read", "")
    if key:
        is_done = is_uuid(key) and mark_read(request.user, UUID(key), now)
        messages.success(request, "Marked as read." if is_done else "It was read already.")
    else:
        until = parse_since(request.POST.get("until", ""))
        count = mark_all_read(request.user, now, kind=kind, until=until)
        messages.success(request, f"{count:,} notification{'' if count == 1 else 's'} marked as read.")
    return HttpResponseRedirect(request.get_full_path())


def is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def open_view(request: HttpRequest, site: AdminSite, pk: UUID) -> HttpResponse:
    """Mark a notification as read and open its record, if the reader may open it now."""
    row = Notification.objects.shown_to(request.user).filter(pk=pk).first()
    if row is None:
        raise Http404("There is no such notification.")
    (line,) = describe([row], request.user)
    mark_read(request.user, pk, timezone.now())
    if not line.url:
        messages.warning(request, f"{line.headline}: {UNAVAILABLE[0].lower()}{UNAVAILABLE[1:]}.")
    return HttpResponseRedirect(line.url or reverse("admin:notifications"))
