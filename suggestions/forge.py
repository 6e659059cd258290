"""Talking to the forge that holds our repositories, over the HTTP API that GitHub, Gitea and Forgejo share.

Everything that it answers is data: bounded, and never followed anywhere.
"""

import json
import time
from dataclasses import dataclass
from typing import Any

import httpx
from django.conf import settings

PATIENCE = httpx.Timeout(20.0, connect=5.0)
# Seconds in which an answer must have arrived as a whole, however slowly it drips, and its most bytes.
WHOLE_ANSWER = 30.0
MOST_READ = 2_000_000
LONGEST_SENTENCE = 300
# Of those that match the branches, the newest: what we have just opened is among them.
LISTED = 30


class NotSent(Exception):
    """Nothing has reached the forge; `str(error)` says why."""


class CutOff(Exception):
    """It was sent, and whether it arrived nobody can tell; `str(error)` says why."""


@dataclass(frozen=True)
class Answer:
    """What the forge said; `body` is None where it is no JSON, too long, or was cut off."""

    status: int
    body: Any
    retry_after: bool

    @property
    def sentence(self) -> str:
        """What went wrong, in the forge's own words as far as it has any."""
        if self.status < httpx.codes.BAD_REQUEST:
            return f"What answered {self.status} does not speak as a forge does: see to FORGE_URL and the repository"
        body = self.body if isinstance(self.body, dict) else {}
        errors = body.get("errors") if isinstance(body.get("errors"), list) else []
        told = [body.get("message"), *(one.get("message") if isinstance(one, dict) else one for one in errors)]
        words = " ".join(" ".join(one.replace("\x00", " ").split()) for one in told if isinstance(one, str))
        said = f": {words[:LONGEST_SENTENCE]}" if words else " and does not say why"
        return f"The forge answered {self.status}{said.encode('utf-8', 'replace').decode()}".rstrip(".")


def is_set_up() -> bool:
    return bool(settings.FORGE_URL and settings.FORGE_TOKEN)


def ask(method: str, path: str, *, query: dict[str, Any] | None = None, content: Any = None) -> Answer:
    """Send one request to the forge; never a second one, and never where a redirect points.

    Raises:
        NotSent: no connection came about.
        CutOff: one did, and broke.
    """
    headers = {"Authorization": f"Bearer {settings.FORGE_TOKEN}", "Accept": "application/json"}
    try:
        with (
            httpx.Client(timeout=PATIENCE, follow_redirects=False, headers=headers) as client,
            client.stream(method, f"{settings.FORGE_URL}{path}", params=query, json=content) as response,
        ):
            return Answer(response.status_code, read(response), "retry-after" in response.headers)
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
        raise NotSent("The forge cannot be reached.") from error
    except httpx.TimeoutException as error:
        raise CutOff("The forge did not answer in time.") from error
    except httpx.TransportError as error:
        raise CutOff("The forge broke off the connection.") from error


def read(response: httpx.Response) -> Any:
    """The answer as JSON; None where it is none. That it came at all is known by its status already."""
    until, found = time.monotonic() + WHOLE_ANSWER, bytearray()
    try:
        for chunk in response.iter_bytes():
            found += chunk
            if len(found) > MOST_READ or time.monotonic() > until:
                return None
        return json.loads(bytes(found))
    except (httpx.TransportError, httpx.DecodingError, ValueError, RecursionError):
        return None


def pulls(repository: str) -> str:
    return f"/repos/{repository}/pulls"


def find_pull_request(repository: str, *, head: str, base: str, marker: str) -> Answer | str | None:
    """The address of the pull request whose body holds `marker`, whatever became of it since; None: there is none.

    Where the forge gives no list, what it answered instead.

    Raises:
        NotSent, CutOff: as `ask`.
    """
    owned = head if ":" in head else f"{repository.split('/')[0]}:{head}"
    query = {"head": owned, "base": base, "state": "all", "sort": "created", "direction": "desc", "per_page": LISTED}
    answer = ask("GET", pulls(repository), query=query)
    if answer.status != httpx.codes.OK or not isinstance(answer.body, list):
        return answer
    ours = [one for one in answer.body if isinstance(one, dict) and marker in str(one.get("body"))]
    return address_of(ours[0]) if ours else None


def open_pull_request(repository: str, content: dict[str, str]) -> Answer:
    """Ask for a pull request with `content` (title, body, head, base).

    Raises:
        NotSent, CutOff: as `ask`.
    """
    return ask("POST", pulls(repository), content=content)


def address_of(pull_request: Any) -> str:
    """Where people look at a pull request, or its number, as far as the forge has said."""
    told = pull_request if isinstance(pull_request, dict) else {}
    url, number = told.get("html_url"), told.get("number")
    if isinstance(url, str) and url.startswith(("https://", "http://")) and url.isprintable():
        return url[:LONGEST_SENTENCE]
    return f"#{number}" if isinstance(number, int) else "the pull request"
