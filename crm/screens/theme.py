"""How the admin looks and what its navigation holds. Other apps stand here as URL names only."""

from functools import cache
from typing import Any

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse
from django.utils.functional import lazy

# The navigation names the same few addresses on every page, each several times.
address = lazy(cache(reverse), str)


def to(title: str, icon: str, page: str, permission: str = "", badge: str = "") -> dict[str, Any]:
    """An entry of the navigation, shown to whoever has `permission`."""
    entry = {"title": title, "icon": icon, "link": address(f"admin:{page}")}
    if permission:
        entry["permission"] = lambda request: request.user.has_perm(permission)
    if badge:
        entry["badge"] = badge
    return entry


def stylesheet(request: HttpRequest) -> str:
    return static("crm/crm.css")


def script(request: HttpRequest) -> str:
    return static("crm/crm.js")


def badge(request: HttpRequest) -> str:
    return static("suggestions/badge.js")


def favicon(request: HttpRequest) -> str:
    return static("crm/favicon.svg")


JOBS = "procrastinate.view_procrastinatejob"
UNFOLD = {
    "SITE_TITLE": "CRM",
    "SITE_HEADER": "CRM",
    "SITE_SUBHEADER": "Sell and serve",
    "SITE_SYMBOL": "handshake",
    "SHOW_VIEW_ON_SITE": False,
    "BORDER_RADIUS": "6px",
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": favicon}],
    "STYLES": [stylesheet],
    "SCRIPTS": [script, badge],
    "COLORS": {
        "primary": {
            "50": "oklch(97.1% .014 230)",
            "100": "oklch(94% .03 230)",
            "200": "oklch(88.5% .06 230)",
            "300": "oklch(81% .1 231)",
            "400": "oklch(72% .13 233)",
            "500": "oklch(63% .14 235)",
            "600": "oklch(53% .13 238)",
            "700": "oklch(46% .115 240)",
            "800": "oklch(39% .095 242)",
            "900": "oklch(32% .075 244)",
            "950": "oklch(24% .055 246)",
        },
    },
    "SIDEBAR": {
        "show_search": False,
        "show_all_applications": False,
        "navigation": [
            {
                "items": [
                    to("Today", "today", "index"),
                    to("Leads", "person_search", "leads_lead_changelist", "leads.view_lead"),
                    to("Inbox", "inbox", "inbox_thread_changelist", "inbox.view_thread"),
                    to(
                        "Approvals",
                        "task_alt",
                        "suggestions_suggestion_changelist",
                        "suggestions.view_suggestion",
                        badge="suggestions.screens.dashboard.waiting_badge",
                    ),
                    to(
                        "Tickets",
                        "support_agent",
                        "support_supportticket_changelist",
                        "support.view_supportticket",
                    ),
                    to("Tasks", "checklist", "leads_task_changelist", "leads.view_task"),
                    to("AI log", "neurology", "ai_log_aiinteraction_changelist", "ai_log.view_aiinteraction"),
                ]
            },
            {
                "title": "Clients & contacts",
                "separator": True,
                "items": [
                    to("Clients", "domain", "crm_client_changelist", "crm.view_client"),
                    to("Contacts", "contacts", "crm_contact_changelist", "crm.view_contact"),
                    to("Projects", "folder_open", "crm_project_changelist", "crm.view_project"),
                ],
            },
            {
                "title": "Settings",
                "separator": True,
                "items": [
                    to("Stages", "flag", "leads_leadstatus_changelist", "leads.view_leadstatus"),
                    to(
                        "Lines of insurance",
                        "shield",
                        "leads_insurancetype_changelist",
                        "leads.view_insurancetype",
                    ),
                    to("Scoring", "speed", "leads_scoringpolicy_changelist", "leads.view_scoringpolicy"),
                    to("Prediction", "insights", "leads_predictionmodel_changelist", "leads.view_predictionmodel"),
                    to("Mailboxes", "mail", "inbox_mailbox_changelist", "inbox.view_mailbox"),
                    to(
                        "Mail templates",
                        "draft",
                        "inbox_emailtemplate_changelist",
                        "inbox.view_emailtemplate",
                    ),
                    to(
                        "Autonomy",
                        "smart_toy",
                        "suggestions_autonomysetting_changelist",
                        "suggestions.view_autonomysetting",
                    ),
                    to("Saved views", "bookmark", "crm_savedview_changelist", "crm.view_savedview"),
                    to("Activity", "history", "crm_activitylog_changelist", "crm.view_activitylog"),
                    to("Jobs", "work_history", "procrastinate_procrastinatejob_changelist", JOBS),
                    to("Staff", "badge", "crm_user_changelist", "crm.change_user"),
                    to("Roles", "lock_person", "auth_group_changelist", "auth.view_group"),
                ],
            },
        ],
    },
}
