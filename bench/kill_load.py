"""People and programs that work over real HTTP while processes are killed: each repeats what was not answered."""

import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path
from uuid import uuid4

import httpx
from django.conf import settings

from tests.cast import PASSWORD

ROWS_PER_IMPORT, EMAILS_PER_FILE = 200, 60
# A request that is not answered in so many seconds is repeated.
PATIENCE_SECONDS = 10.0
OUTAGE_STATUSES = {500, 502, 503}
ALREADY_APPROVED = "The suggestion is already approved"
BUTTON = '<button class="btn primary" name="do" value="import">'


@dataclass
class Promises:
    """What the CRM has confirmed, so that none of it may be lost or done twice."""

    approved: list[str] = field(default_factory=list)
    form_keys: list[str] = field(default_factory=list)
    # The names of files whose import was confirmed.
    imports: list[str] = field(default_factory=list)
    # Each sent one email.
    senders: list[str] = field(default_factory=list)
    unanswered: int = 0
    broken: list[str] = field(default_factory=list)


class Person:
    """A browser with a session that repeats a request until it is answered."""

    def __init__(self, url: str, promises: Promises, stop: threading.Event) -> None:
        self.http = httpx.Client(base_url=url, timeout=PATIENCE_SECONDS, headers={"Referer": url})
        self.promises, self.stop = promises, stop

    def log_in(self, username: str) -> None:
        self.ask("GET", "/login/")
        answer = self.ask("POST", "/login/", data={"username": username, "password": PASSWORD})
        assert answer is None or answer.status_code == 302, "the person cannot log in"

    def ask(self, method: str, address: str, **content: object) -> httpx.Response | None:
        """Return the answer; None if the work has ended meanwhile."""
        while not self.stop.is_set():
            try:
                headers = {"X-CSRFToken": self.http.cookies.get("csrftoken", "")}
                answer = self.http.request(method, address, headers=headers, **content)
            except httpx.HTTPError:
                answer = None
            if answer is not None and answer.status_code not in OUTAGE_STATUSES:
                return answer
            if answer is not None and answer.status_code == 500:
                self.promises.broken.append(f"{method} {address} was answered with an error page")
            self.promises.unanswered += 1
            self.stop.wait(0.1)
        return None


def approve_all(person: Person, suggestions: list[str], pause: float) -> None:
    """Approve one suggestion after the other; the rules may refuse one in words."""
    for key in suggestions:
        answer = person.ask("POST", f"/suggestions/suggestion/{key}/do/approve/")
        if answer is None:
            return
        # One that an unanswered request approved is refused, too.
        if answer.status_code == 302 or (answer.status_code == 422 and ALREADY_APPROVED in answer.text):
            person.promises.approved.append(key)
        elif answer.status_code != 422:
            person.promises.broken.append(f"approving was answered with {answer.status_code}")
        person.stop.wait(pause)


def send_forms(person: Person, address: str, pause: float) -> None:
    """Send a public form again and again, each with a key of its own that its repetitions share."""
    for number in range(1_000_000):
        key = f"form-{number}"
        content = {"name": f"Visitor {number}", "email": f"visitor{number}@web.example.com", "idempotency_key": key}
        answer = person.ask("POST", address, json={**content, "message": "A quote, please."})
        if answer is None:
            return
        if answer.status_code in {200, 201}:
            person.promises.form_keys.append(key)
        else:
            person.promises.broken.append(f"a form was answered with {answer.status_code}: {answer.text[:80]}")
        person.stop.wait(pause)


def import_files(person: Person, pause: float) -> None:
    """Upload files, have them checked and imported."""
    for number in range(1_000_000):
        name = f"file{number}.csv"
        rows = (f"Imported {number}-{row},i{number}.{row}@files.example.com" for row in range(ROWS_PER_IMPORT))
        content = "Name,Email\n" + "\n".join(rows) + "\n"
        key = str(uuid4())
        answer = person.ask("POST", "/leads/import/", data={"key": key}, files={"file": (name, content, "text/csv")})
        if answer is None:
            return
        page = answer.headers.get("Location", "").removesuffix("file/")
        person.ask("POST", f"{page}file/", data={"encoding": "utf-8", "delimiter": ","})
        person.ask("POST", f"{page}columns/", data={"field_0": "contact_name", "field_1": "contact_email"})
        person.ask("POST", f"{page}values/", data={})
        while (answer := person.ask("GET", page)) is not None and BUTTON not in answer.text:
            person.stop.wait(0.5)
        if answer is None:
            return
        if (answer := person.ask("POST", page, data={"do": "import"})) is not None and answer.status_code == 302:
            person.promises.imports.append(name)
        person.stop.wait(pause)


def run_commands(promises: Promises, folder: Path, rng: random.Random, pause: float, stop: threading.Event) -> None:
    """Score leads and import email with commands, of which every second one is killed on its way and repeated."""
    for number in range(1_000_000):
        files = write_emails(folder / f"box{number}", number)
        for arguments in (("import_mail", str(files), "--mailbox", "office@agency.example"), ("score_leads",)):
            while not stop.is_set() and not run_command(arguments, rng):
                stop.wait(pause)
        if stop.is_set():
            return
        promises.senders.extend(senders(number))


def run_command(arguments: tuple[str, ...], rng: random.Random) -> bool:
    """Run a command, or kill it on its way; return whether it ended well."""
    command = [sys.executable, "manage.py", *arguments]
    running = subprocess.Popen(
        command, cwd=settings.BASE_DIR, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        return running.wait(rng.uniform(0.8, 3.0) if rng.random() < 0.5 else 60.0) == 0
    except subprocess.TimeoutExpired:
        running.kill()
        running.wait()
        return False


def senders(number: int) -> Iterator[str]:
    return (f"writer{number}.{place}@outside.example.com" for place in range(EMAILS_PER_FILE))


def write_emails(folder: Path, number: int) -> Path:
    """Write a folder of emails and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    for place, sender in enumerate(senders(number)):
        email = EmailMessage()
        email["From"], email["To"] = sender, "office@agency.example"
        email["Subject"], email["Message-ID"] = f"Question {number}.{place}", f"<mail.{sender}>"
        email["Date"] = "Mon, 02 Nov 2026 10:00:00 +0000"
        email.set_content("What would it cost to insure our two cars?")
        (folder / f"{place}.eml").write_bytes(email.as_bytes())
    return folder


class Prober(threading.Thread):
    """Opens the first page of a user again and again; logs when it asked, when it was answered, and whether well."""

    def __init__(self, person: Person) -> None:
        super().__init__(daemon=True)
        self.person = person
        self.log: list[tuple[float, float, bool]] = []

    def run(self) -> None:
        while not self.person.stop.is_set():
            asked = time.monotonic()
            try:
                is_good = self.person.http.get("/").status_code == 200
            except httpx.HTTPError:
                is_good = False
            self.log.append((asked, time.monotonic(), is_good))
            self.person.stop.wait(0.05)

    def seconds_until_back(self, since: float, *, answers: int = 3) -> float | None:
        """Return how long after `since` the page was answered for good; None if that has not been seen yet.

        The first of at least `answers` good answers in a row counts, up to now; all were asked for after `since`.
        """
        later = [entry for entry in list(self.log) if entry[0] >= since]
        failures = [place for place, (_, _, is_good) in enumerate(later) if not is_good]
        good = later[failures[-1] + 1 if failures else 0 :]
        return good[0][1] - since if len(good) >= answers else None


def start_threads(*work: Callable[[], None]) -> list[threading.Thread]:
    threads = [threading.Thread(target=one, daemon=True) for one in work]
    for thread in threads:
        thread.start()
    return threads
