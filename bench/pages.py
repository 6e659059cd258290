"""Every page at 1,000,000 leads, for each role, over HTTP, beside the same page at 100,000."""

import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

from django.contrib.auth.models import Group
from django.db import connection, models, transaction
from django.test import Client as TestClient

from ai_log.models import AIInteraction
from bench.databases import DATABASE_SIZES, prepare_database, use_database
from bench.inbox_list import add_long_thread
from bench.lists import explain_query
from bench.measure import fetch_with_statements, next_link
from bench.table import format_kilobytes, format_verdict, render_table
from bench.web_server import POST, Browser, PageTime, collect_static_files, session_key, web_server
from crm.models import Client, Contact, CustomField, CustomFieldKind, User
from inbox.models import Thread
from leads.models import Lead, Policy, Task
from suggestions.models import Suggestion
from support.models import SupportTicket

# The bars of the design. The growth of pages below `NOISE_SECONDS` says nothing.
MAX_SECONDS, MAX_QUERIES, MAX_BYTES, MAX_GROWTH, NOISE_SECONDS = 0.15, 15, 300_000, 1.3, 0.03
# The statements of a plan that are printed.
SLOW_STATEMENT_MS = 20.0
DEEP_PAGE = 20
NOTHING = "00000000-0000-7000-8000-000000000000"
BENCH_USER = "bench."

# Users of each role, made for the benchmark. The number is the share of the rows that an agent owns, one of so many.
ROLES: dict[str, tuple[str, int]] = {
    "agent, 5 %": ("agent", 20),
    "agent, 0.1 %": ("agent", 1_000),
    "manager": ("manager", 0),
    "administrator": ("administrator", 0),
}
OWNED_TABLES = {
    "leads": "assigned_to_id",
    "clients": "assigned_to_id",
    "tasks": "assignee_id",
    "support_tickets": "assigned_to_id",
}
LEADS, CLIENTS, CONTACTS, POLICIES = "/leads/lead/", "/crm/client/", "/crm/contact/", "/leads/policy/"
INBOX, TICKETS, APPROVALS = "/inbox/thread/", "/support/supportticket/", "/suggestions/suggestion/"
PICKER = "/autocomplete/?app_label={}&model_name={}&field_name={}&term={}".format
# A file is requested with POST. What stands in braces is a record that the user may see, or a value of this database.
PAGES: dict[str, str] = {
    "Today": "/",
    "leads": LEADS,
    "leads, hot": f"{LEADS}?tier=hot",
    "leads, closed": f"{LEADS}?state=closed",
    "leads, all": f"{LEADS}?state=all",
    "leads, 21st page": f"{LEADS}?{{21st}}",
    "leads by last contact": f"{LEADS}?order=heard",
    "leads by value": f"{LEADS}?order=value",
    "leads of a stage": f"{LEADS}?stage=ACTIVE",
    "leads, mine": f"{LEADS}?owner=me",
    "leads, unassigned": f"{LEADS}?owner=none",
    "leads of a line": f"{LEADS}?line=auto",
    "leads of a line and stage": f"{LEADS}?line=auto&stage=PROPOSAL_SENT",
    "leads by a source": f"{LEADS}?source=REFERRAL",
    "leads, value from": f"{LEADS}?value_min=50000",
    "leads, created from": f"{LEADS}?created_from=2026-11-01",
    "leads, quiet for 60 days": f"{LEADS}?quiet_days=60",
    "leads with a tag": f"{LEADS}?tags=renewal",
    "leads with a rare tag": f"{LEADS}?tags=veteran",
    "leads, custom field is": f"{LEADS}?cf.campaign=teen-drivers",
    "leads, custom field is not empty": f"{LEADS}?cf.campaign~op=filled",
    "leads, custom field is empty": f"{LEADS}?cf.campaign~op=empty",
    "leads, search a name": f"{LEADS}?q=okafor",
    "leads, search two words": f"{LEADS}?q={{name}}",
    "leads, search an address": f"{LEADS}?q={{email}}",
    "leads, search a VIN": f"{LEADS}?q={{vin}}",
    "leads, filter sheet": f"{LEADS}?sheet=filter",
    "board": "/leads/lead/board/",
    "board, mine": "/leads/lead/board/?owner=me",
    "lead": f"{LEADS}{{lead}}/change/",
    "lead, 2,000 messages": f"{LEADS}{{long_lead}}/change/",
    "new lead": f"{LEADS}add/",
    "chart of leads by stage": f"{LEADS}chart/?by=stage",
    "chart by owner, values": f"{LEADS}chart/?by=owner&sum=estimated_value",
    "chart by tags": f"{LEADS}chart/?by=tags",
    "chart by custom field": f"{LEADS}chart/?by=cf.campaign",
    "approvals": APPROVALS,
    "approvals, decided": f"{APPROVALS}?state=all",
    "suggestion": f"{APPROVALS}{{suggestion}}/change/",
    "inbox": INBOX,
    "inbox, waiting on them": f"{INBOX}?turn=theirs",
    "inbox, unmatched": f"{INBOX}?linked=no",
    "inbox, all open": f"{INBOX}?status=OPEN",
    "inbox, resolved": f"{INBOX}?status=RESOLVED",
    "inbox, search": f"{INBOX}?q=policy",
    "thread": f"{INBOX}{{thread}}/change/",
    "thread, 2,000 messages": f"{INBOX}{{long_thread}}/change/",
    "tickets": TICKETS,
    "tickets, resolved": f"{TICKETS}?status=Resolved",
    "tickets, search": f"{TICKETS}?q=policy",
    "ticket": f"{TICKETS}{{ticket}}/change/",
    "tasks": "/leads/task/",
    "tasks, mine": "/leads/task/?assignee=me",
    "tasks, done": "/leads/task/?status=DONE",
    "task": "/leads/task/{task}/change/",
    "AI log": "/ai_log/aiinteraction/",
    "AI log, totals": "/ai_log/aiinteraction/totals/",
    "AI log, one call": "/ai_log/aiinteraction/{call}/change/",
    "clients": CLIENTS,
    "clients, search": f"{CLIENTS}?q=okafor",
    "client": f"{CLIENTS}{{client}}/change/",
    "chart of clients by owner": f"{CLIENTS}chart/?by=owner",
    "contacts": CONTACTS,
    "contacts, search": f"{CONTACTS}?q=okafor",
    "contact": f"{CONTACTS}{{contact}}/change/",
    "chart of contacts by tags": f"{CONTACTS}chart/?by=tags",
    "policies": POLICIES,
    "policies, expiring": f"{POLICIES}?expiring=60",
    "policy": f"{POLICIES}{{policy}}/change/",
    "book of business": "/leads/book-of-business/",
    "projects": "/crm/project/",
    "activity": "/crm/activitylog/",
    "tags": "/tags/",
    "search everywhere": "/search/?q=okafor",
    "search everywhere, address": "/search/?q={email}",
    "picker of clients": PICKER("leads", "policy", "client", ""),
    "picker of clients, typed": PICKER("leads", "policy", "client", "okafor"),
    "picker of leads": PICKER("leads", "task", "lead", ""),
    "picker of leads, typed": PICKER("leads", "task", "lead", "okafor"),
    "picker of threads": PICKER("support", "supportticket", "thread", ""),
    "export of a search": f"{POST}{LEADS}export/?q={{email}}",
}
RECORDS: dict[str, type[models.Model]] = {
    "lead": Lead,
    "client": Client,
    "contact": Contact,
    "policy": Policy,
    "thread": Thread,
    "ticket": SupportTicket,
    "task": Task,
    "suggestion": Suggestion,
    "call": AIInteraction,
}


@dataclass(frozen=True)
class RolePage:
    """One page as a role sees it, at both sizes."""

    large: PageTime
    small: PageTime

    @property
    def growth(self) -> float:
        return self.large.median / max(self.small.median, NOISE_SECONDS)

    def missed_bars(self) -> list[str]:
        """Return the names of the missed bars."""
        checks = {
            "time": self.large.median > MAX_SECONDS,
            "queries": self.large.queries > MAX_QUERIES,
            "size": self.large.size > MAX_BYTES,
            "growth": self.growth > MAX_GROWTH,
        }
        return [name for name, is_missed in checks.items() if is_missed]

    def __str__(self) -> str:
        """Return the median and the percentile; an exclamation mark stands at a missed bar."""
        mark = "!" if self.missed_bars() else ""
        return f"{mark}{self.large.median * 1000:,.0f} ({self.large.p95 * 1000:,.0f})"


@dataclass(frozen=True)
class Site:
    """A served database: a browser for each role, and what stands in the braces of its addresses."""

    browsers: Mapping[str, Browser]
    values: Mapping[str, Mapping[str, str]]

    def url(self, role: str, page: str) -> str:
        return PAGES[page].format_map(self.values[role])

    def measure(self, role: str, page: str, repeat: int) -> PageTime | None:
        return self.browsers[role].measure(self.url(role, page), repeat)


def run(repeat: int) -> bool:
    """Print the table; return whether every bar was met."""
    fill_databases()
    collect_static_files()
    with ExitStack() as stack:
        small, large = (open_site(stack, name) for name in sorted(DATABASE_SIZES, key=DATABASE_SIZES.get))
        found: dict[str, dict[str, RolePage]] = {}
        for page in PAGES:
            found[page] = dict(measure_roles(large, small, page, repeat))
            sys.stderr.write(f"{page}: {', '.join(f'{role} {one}' for role, one in found[page].items())}\n")
    sys.stdout.write(f"\n{__doc__}\n{explain_table(repeat)}\n\n")
    heading = ["", *ROLES, "queries", "page", "growth", ""]
    sys.stdout.write(render_table(heading, [cells(page, roles) for page, roles in found.items()]))
    missed = sum(bool(one.missed_bars()) for roles in found.values() for one in roles.values())
    sys.stdout.write(f"\n{missed} of {sum(map(len, found.values()))} pages and roles miss a bar.\n")
    return not missed


def explain_table(repeat: int) -> str:
    return (
        f"Median (95th percentile) of {repeat} in ms, after a warm-up, and “!” where a role misses a bar;"
        f" the most queries, bytes and growth of any role.\nBars: {MAX_SECONDS * 1000:.0f} ms, {MAX_QUERIES} queries,"
        f" {format_kilobytes(MAX_BYTES)}, {MAX_GROWTH} times its own time at 100,000."
    )


def measure_roles(large: Site, small: Site, page: str, repeat: int) -> Iterator[tuple[str, RolePage]]:
    """Yield the measurements of `page` for each role that may open it."""
    for role in ROLES:
        times = large.measure(role, page, repeat), small.measure(role, page, repeat)
        if None not in times:
            yield role, RolePage(*times)


def cells(page: str, roles: Mapping[str, RolePage]) -> list[str]:
    """Return the row of one page."""
    missed = [bar for one in roles.values() for bar in one.missed_bars()]
    return [
        page,
        *(str(roles.get(role, "–")) for role in ROLES),
        str(max((one.large.queries for one in roles.values()), default=0)),
        format_kilobytes(max((one.large.size for one in roles.values()), default=0)),
        f"{max((one.growth for one in roles.values()), default=0):.2f}",
        format_verdict(list(dict.fromkeys(missed))),
    ]


def keep_pages(text: str) -> None:
    """Measure only the pages with `text` in their names."""
    for name in [name for name in PAGES if text not in name]:
        del PAGES[name]


def plans() -> None:
    """Print the plans of the slow statements of each page, for each role."""
    fill_databases()
    name = max(DATABASE_SIZES, key=DATABASE_SIZES.get)
    with use_database(name):
        values = {role: page_values(user) for role, user in bench_users().items()}
        for role, user in bench_users().items():
            browser = TestClient()
            browser.force_login(user)
            for page, url in PAGES.items():
                if url.startswith(POST):
                    continue
                _, statements = fetch_with_statements(browser, url.format_map(values[role]))
                for plan in slow_plans(statements):
                    sys.stdout.write(f"\n{page}, {role}\n{plan}\n")


def slow_plans(statements: list[tuple[str, Any]]) -> Iterator[str]:
    """Yield the statements that take long, each with its plan."""
    for sql, params in statements:
        if sql.lstrip(" (").startswith(("SELECT", "WITH")):
            plan = explain_query(sql, params)
            if float(re.search(r"Execution Time: ([\d.]+)", plan)[1]) > SLOW_STATEMENT_MS:
                yield f"{sql}\n{plan}"


def fill_databases() -> None:
    """Create the databases, and in each the users of the roles, what they own, and a long conversation."""
    for name, size in DATABASE_SIZES.items():
        prepare_database(name, size)
        with use_database(name):
            if User.objects.filter(username__startswith=BENCH_USER).exists():
                continue
            make_bench_rows()
            with connection.cursor() as cursor:
                cursor.execute("VACUUM (ANALYZE)")


@transaction.atomic
def make_bench_rows() -> None:
    """Create the users of the roles, what they own, a custom field and a long conversation."""
    CustomField.objects.get_or_create(
        table="leads.lead", key="campaign", defaults={"label": "Campaign", "kind": CustomFieldKind.TEXT}
    )
    for role, (_, share) in ROLES.items():
        give_rows(make_user(role), share)
    add_long_thread()


def bench_users() -> dict[str, User]:
    """Return the users of the roles in the current database."""
    return {role: User.objects.get(username=username(role)) for role in ROLES}


def username(role: str) -> str:
    return BENCH_USER + re.sub(r"\W+", "-", role).strip("-")


def make_user(role: str) -> User:
    user = User.objects.create(
        username=username(role), first_name="Bench", last_name=role.title(), is_staff=True, password="!"
    )
    user.groups.add(Group.objects.get(name=ROLES[role][0]))
    return user


def give_rows(user: User, share: int) -> None:
    """Make `user` the owner of one of `share` rows that have another owner."""
    with connection.cursor() as cursor:
        for table, column in OWNED_TABLES.items() if share else ():
            cursor.execute(
                f"UPDATE {table} SET {column} = %s WHERE {column} IS NOT NULL"
                " AND mod(hashtext(id::text)::bigint + 2147483648, %s) = %s",
                [user.pk, share, share - 1],
            )


def open_site(stack: ExitStack, database: str) -> Site:
    """Serve `database` until the end of `stack`."""
    with use_database(database):
        users = bench_users()
        keys = {role: session_key(user) for role, user in users.items()}
        values = {role: page_values(user) for role, user in users.items()}
    port = stack.enter_context(web_server(database))
    browsers = {role: Browser(port, key) for role, key in keys.items()}
    return Site(browsers, {role: {**values[role], "21st": deep_page(browsers[role])} for role in ROLES})


def deep_page(browser: Browser) -> str:
    """Return the query reached by clicking Next in the list of leads so many times, or as often as it can."""
    query = ""
    for _ in range(DEEP_PAGE):
        link = next_link(browser.get(f"{LEADS}?{query}").body.decode())
        if link is None:
            break
        query = urlsplit(link).query
    return query


def page_values(user: User) -> dict[str, str]:
    """Return what stands in the braces of the addresses for `user`."""
    newest = {
        name: str(model.objects.visible_to(user).order_by("-pk").values_list("pk", flat=True).first() or NOTHING)
        for name, model in RECORDS.items()
    }
    long_thread = add_long_thread()
    driver = Lead.objects.visible_to(user).filter(auto_data__has_key="vin").order_by("-pk").first()
    return {
        **newest,
        "long_thread": str(long_thread.pk),
        "long_lead": str(long_thread.lead_id),
        "name": quote(driver.contact_name),
        "email": quote(Lead.objects.visible_to(user).exclude(contact_email="").latest("pk").contact_email),
        "vin": driver.auto_data["vin"],
        "21st": "",
    }
