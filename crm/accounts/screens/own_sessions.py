"""The page on which users see where they are logged in, and end sessions."""

from django.contrib import messages
from django.contrib.admin import AdminSite
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from crm.accounts.sessions import describe_browser, live_sessions, public_key
from crm.accounts.transitions import end_sessions


def own_sessions_urls(site: AdminSite) -> list[URLPattern]:
    return [path("your-sessions/", site.admin_view(own_sessions_view), {"site": site}, name="own_sessions")]


def own_sessions_view(request: HttpRequest, site: AdminSite) -> HttpResponse:
    """Show the sessions of the user who reads the page; end one of them, or all but this one."""
    sessions, current = live_sessions(request.user), request.session.session_key
    if request.method == "POST":
        chosen, others = request.POST.get("end", ""), [row for row in sessions if row.session_key != current]
        ended = others if chosen == "others" else [row for row in others if public_key(row.session_key) == chosen]
        count = end_sessions(ended, user=request.user, by=request.user)
        done = f"{count:,} session{'' if count == 1 else 's'} ended." if count else "That session has ended already."
        messages.success(request, done)
        return HttpResponseRedirect(reverse("admin:own_sessions"))
    rows = [
        {
            "key": public_key(row.session_key),
            "browser": describe_browser(row.browser),
            "is_current": row.session_key == current,
            "session": row,
        }
        for row in sessions
    ]
    context = {**site.each_context(request), "title": "Your sessions", "rows": rows, "has_others": len(rows) > 1}
    return TemplateResponse(request, "crm/accounts/own_sessions.html", context)
