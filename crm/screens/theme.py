"""The look of the admin and its navigation. Other apps appear here as URL names only."""

from functools import cache
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse
from django.utils.functional import lazy

# Every page draws the same few addresses several times, so each is resolved once.
lazy_url = lazy(cache(reverse), str)


def navigation_item(
    title: str, icon: str, page: str, *permissions: str, badge: str = "", lists: tuple[str, ...] = ()
) -> dict[str, Any]:
    """Return an entry of the navigation, shown to users with one of `permissions`, or to all if there are none.

    `badge` names a function of the user that returns the rows to count, or None. `lists` are the lists that are
    reached from its page and have no entry of their own.
    """
    return {
        "title": title,
        "icon": icon,
        "link": lazy_url(f"admin:{page}"),
        "permissions": permissions,
        "badge": badge,
        "lists": [lazy_url(f"admin:{name}") for name in lists],
    }


def allows(request: HttpRequest, entry: dict[str, Any]) -> bool:
    """Return whether the user may open an entry of the navigation."""
    return not entry["permissions"] or any(map(request.user.has_perm, entry["permissions"]))


def agency_name(request: HttpRequest) -> str:
    return settings.AGENCY_NAME


def stylesheet(request: HttpRequest) -> str:
    return static("crm/crm.css")


def theme_colours(request: HttpRequest) -> str:
    return static("crm/theme.css")


def main_script(request: HttpRequest) -> str:
    return static("crm/crm.js")


def search_script(request: HttpRequest) -> str:
    return static("crm/search.js")


def key_list_script(request: HttpRequest) -> str:
    return static("crm/key_list.js")


def badge_script(request: HttpRequest) -> str:
    return static("suggestions/badge.js")


def notifications_script(request: HttpRequest) -> str:
    return static("crm/notifications.js")


def favicon(request: HttpRequest) -> str:
    return static("crm/favicon.svg")


REPORT_PERMISSIONS = ("leads.view_lead", "inbox.view_thread", "suggestions.view_suggestion", "leads.view_policy")
MERGE_PERMISSIONS = ("leads.merge_lead", "crm.merge_client", "crm.merge_contact")
VIEW_JOBS_PERMISSION = "procrastinate.view_procrastinatejob"
UNFOLD = {
    "SITE_TITLE": "CRM",
    "SITE_HEADER": "CRM",
    "SITE_SUBHEADER": agency_name,
    "SITE_SYMBOL": "handshake",
    # The pages before a login would link to the page that leads back to them.
    "SITE_URL": None,
    "SHOW_VIEW_ON_SITE": False,
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": favicon}],
    "STYLES": [theme_colours, stylesheet],
    "SCRIPTS": [main_script, search_script, key_list_script, badge_script, notifications_script],
    "ACCOUNT": {
        "navigation": [
            {"title": "Your settings", "link": lazy_url("admin:own_settings")},
            {"title": "Notification settings", "link": lazy_url("admin:own_notifications")},
            {"title": "Your sessions", "link": lazy_url("admin:own_sessions")},
            {"title": "Second factor", "link": lazy_url("admin:second_factor")},
            {"title": "Change password", "link": lazy_url("admin:password_change")},
        ],
    },
    "SIDEBAR": {
        "show_search": False,
        "show_all_applications": False,
        "navigation": [
            {
                "items": [
                    navigation_item("Today", "today", "index"),
                    navigation_item("Leads", "person_search", "leads_lead_changelist", "leads.view_lead"),
                    navigation_item(
                        "Inbox",
                        "inbox",
                        "inbox_thread_changelist",
                        "inbox.view_thread",
                        lists=("inbox_draft_changelist",),
                    ),
                    navigation_item(
                        "Approvals",
                        "task_alt",
                        "suggestions_suggestion_changelist",
                        "suggestions.view_suggestion",
                        badge="suggestions.screens.dashboard.waiting_rows",
                    ),
                    navigation_item(
                        "Tickets",
                        "support_agent",
                        "support_supportticket_changelist",
                        "support.view_supportticket",
                    ),
                    navigation_item("Tasks", "checklist", "leads_task_changelist", "leads.view_task"),
                    navigation_item("Reports", "monitoring", "reports", *REPORT_PERMISSIONS),
                    navigation_item(
                        "AI log", "neurology", "ai_log_aiinteraction_changelist", "ai_log.view_aiinteraction"
                    ),
                ]
            },
            {
                "title": "Clients & contacts",
                "items": [
                    navigation_item("Clients", "domain", "crm_client_changelist", "crm.view_client"),
                    navigation_item("Policies", "verified_user", "leads_policy_changelist", "leads.view_policy"),
                    navigation_item("Book of business", "menu_book", "leads_policy_book", "leads.view_policy"),
                    navigation_item("Contacts", "contacts", "crm_contact_changelist", "crm.view_contact"),
                    navigation_item("Duplicates", "content_copy", "crm_duplicatepair_changelist", *MERGE_PERMISSIONS),
                    navigation_item("Projects", "folder_open", "crm_project_changelist", "crm.view_project"),
                ],
            },
            {
                "title": "Settings",
                "items": [
                    navigation_item("Stages", "flag", "leads_leadstatus_changelist", "leads.view_leadstatus"),
                    navigation_item(
                        "Lines of insurance",
                        "shield",
                        "leads_insurancetype_changelist",
                        "leads.view_insurancetype",
                    ),
                    navigation_item(
                        "Custom fields",
                        "list_alt",
                        "crm_customfield_changelist",
                        "crm.view_customfield",
                        lists=("crm_schemachange_changelist",),
                    ),
                    navigation_item(
                        "Fields in use",
                        "data_usage",
                        "crm_fieldstatistic_changelist",
                        "crm.view_fieldstatistic",
                        lists=("crm_schemathresholds_changelist",),
                    ),
                    navigation_item("Scoring", "speed", "leads_scoringpolicy_changelist", "leads.view_scoringpolicy"),
                    navigation_item(
                        "Prediction", "insights", "leads_predictionmodel_changelist", "leads.view_predictionmodel"
                    ),
                    navigation_item(
                        "Service levels",
                        "timer",
                        "support_servicelevel_changelist",
                        "support.view_servicelevel",
                        "support.change_servicelevel",
                    ),
                    navigation_item("Imports", "upload", "leads_importbatch_changelist", "leads.view_importbatch"),
                    navigation_item(
                        "Mailboxes",
                        "mail",
                        "inbox_mailbox_changelist",
                        "inbox.view_mailbox",
                        lists=("inbox_setaside_changelist",),
                    ),
                    navigation_item("Web forms", "dynamic_form", "inbox_webform_changelist", "inbox.view_webform"),
                    navigation_item(
                        "Email templates",
                        "draft",
                        "inbox_emailtemplate_changelist",
                        "inbox.view_emailtemplate",
                    ),
                    navigation_item(
                        "Autonomy",
                        "smart_toy",
                        "suggestions_autonomysetting_changelist",
                        "suggestions.view_autonomysetting",
                    ),
                    navigation_item("Saved views", "bookmark", "crm_savedview_changelist", "crm.view_savedview"),
                    navigation_item("Activity", "history", "crm_activitylog_changelist", "crm.view_activitylog"),
                    navigation_item(
                        "Jobs", "work_history", "procrastinate_procrastinatejob_changelist", VIEW_JOBS_PERMISSION
                    ),
                    navigation_item("Failed logins", "lock_clock", "crm_loginlimit_changelist", "crm.view_loginlimit"),
                    navigation_item("Staff", "badge", "crm_user_changelist", "crm.change_user"),
                    navigation_item("Roles", "lock_person", "auth_group_changelist", "auth.view_group"),
                ],
            },
        ],
    },
}

# What is replaced in the theme's templates, so that pages need no compiled script and no style attribute: for each
# template the texts to replace and what replaces them. Loading a template fails if it does not have the text, such as
# in another version of the theme.
OPEN_TAB = "{% if opts %}'{% tabs_primary_active inline_admin_formsets %}'{% endif %}"
STATE_OF_BODY = """\
x-data="{
{% if opts %}activeTab: '{% tabs_primary_active inline_admin_formsets %}',{% endif %}
sidebarMobileOpen: false,
sidebarDesktopOpen: (localStorage.getItem('sidebarDesktopOpen') !== null) ? \
(localStorage.getItem('sidebarDesktopOpen') == '1') : true
}"
x-init="
activeTab = {% if opts %}getCurrentTab() || '{% tabs_primary_active inline_admin_formsets %}'{% else %}''{% endif %};
$watch('sidebarDesktopOpen', value => localStorage.setItem('sidebarDesktopOpen', value ? '1' : '0'));
\""""

THEME_CHANGES: dict[str, dict[str, str]] = {
    "unfold/layouts/skeleton.html": {
        """<script src="{% static 'unfold/js/alpine/alpine.js' %}" defer></script>""": (
            """<script src="{% static 'crm/alpine/components.js' %}" defer></script>"""
            """<script src="{% static 'crm/alpine/alpine-csp.min.js' %}" defer></script>"""
        ),
        STATE_OF_BODY: f"""x-data="pageState({OPEN_TAB})\"""",
    },
    "unfold/helpers/welcomemsg.html": {
        "; localStorage.setItem('sidebarDesktopOpen', sidebarDesktopOpen ? '1' : '0');": "",
    },
    "admin/change_form.html": {
        "activeTab && activeTab !== 'general' ? window.location.pathname + window.location.search + '#' + activeTab"
        " : window.location.pathname + window.location.search": "formAddress()",
    },
    "admin/actions.html": {
        "'width: ' + changeListWidth + 'px'": "{width: changeListWidth + 'px'}",
    },
}


@cache
def places_in_navigation() -> dict[str, list[dict[str, str]]]:
    """Return for the address of each list its place in the navigation: the group, if it has a name, and the entry."""
    places = {}
    for group in UNFOLD["SIDEBAR"]["navigation"]:
        heading = [{"title": group["title"]}] if "title" in group else []
        for entry in group["items"]:
            for link in (entry["link"], *entry["lists"]):
                places[str(link)] = [
                    *heading,
                    {"title": entry["title"], "link": str(entry["link"]), "icon": entry["icon"]},
                ]
    return places


def place_above(path: str) -> dict[str, Any] | None:
    """Return the entry of the navigation for the list to which the address `path` belongs, if there is one."""
    entries = (entry for group in UNFOLD["SIDEBAR"]["navigation"] for entry in group["items"])
    lists = {str(link): entry for entry in entries for link in (entry["link"], *entry["lists"]) if str(link) != "/"}
    return next((entry for link, entry in lists.items() if path.startswith(link)), None)


def place_of_page(title: str) -> list[dict[str, str]]:
    """Return the place of a page that is no list, such as the book of business; empty if it has no entry."""
    return next((place for place in places_in_navigation().values() if place[-1]["title"] == title), [])


def path_by_navigation(parts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the path to a page as the navigation names it; the theme's `parts` are app, list and record.

    A list without an entry of its own comes after the entry that leads to it.
    """
    links = [str(part.get("link", "")) for part in parts]
    if len(parts) == 1:
        return place_of_page(str(parts[0]["title"])) or parts
    place = places_in_navigation().get(links[1]) if len(links) > 1 else None
    if place is None:
        return parts
    own_list = [] if place[-1]["link"] == links[1] else parts[1:2]
    return [*place, *own_list, *parts[2:]]
