"""Talking to the forge that holds our repositories, over the HTTP API that GitHub, Gitea and Forgejo share.

Everything that it answers is data: bounded, and never followed anywhere.
"""

import json
import time
from dataclasses import dataclass
from typing import Any

import httpx
from django.conf import settings

REQUEST_TIMEOUT = httpx.Timeout(20.0, connect=5.0)
# Seconds in which an answer must have arrived as a whole, however slowly it drips, and its most bytes.
MAX_RESPONSE_SECONDS = 30.0
MAX_RESPONSE_BYTES = 2_000_000
MAX_ERROR_LENGTH = 300
# Of those that match the branches, the newest: what we have just opened is among them.
PULL_REQUESTS_PER_PAGE = 30


class RequestNotSent(Exception):
    """Nothing has reached the forge; `str(error)` says why."""


class RequestInterrupted(Exception):
    """It was sent, and whether it arrived nobody can tell; `str(error)` says why."""


@dataclass(frozen=True)
class ForgeResponse:
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
        messages = [body.get("message"), *(one.get("message") if isinstance(one, dict) else one for one in errors)]
        words = " ".join(" ".join(one.replace("\x00", " ").split()) for one in messages if isinstance(one, str))
        explanation = f": {words[:MAX_ERROR_LENGTH]}" if words else " and does not say why"
        return f"The forge answered {self.status}{explanation.encode('utf-8', 'replace').decode()}".rstrip(".")


def is_forge_configured() -> bool:
    return bool(settings.FORGE_URL and settings.FORGE_TOKEN)


def send_request(method: str, path: str, *, query: dict[str, Any] | None = None, content: Any = None) -> ForgeResponse:
    """Send one request to the forge; never a second one, and never where a redirect points.

    Raises:
        RequestNotSent: no connection came about.
        RequestInterrupted: one did, and broke.
    """
    headers = {"Authorization": f"Bearer {settings.FORGE_TOKEN}", "Accept": "application/json"}
    try:
        with (
            httpx.Client(timeout=REQUEST_TIMEOUT, follow_redirects=False, headers=headers) as client,
            client.stream(method, f"{settings.FORGE_URL}{path}", params=query, json=content) as response,
        ):
            return ForgeResponse(response.status_code, read_json(response), "retry-after" in response.headers)
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
        raise RequestNotSent("The forge cannot be reached.") from error
    except httpx.TimeoutException as error:
        raise RequestInterrupted("The forge did not answer in time.") from error
    except httpx.TransportError as error:
        raise RequestInterrupted("The forge broke off the connection.") from error


def read_json(response: httpx.Response) -> Any:
    """The answer as JSON; None where it is none. That it came at all is known by its status already."""
    deadline, content = time.monotonic() + MAX_RESPONSE_SECONDS, bytearray()
    try:
        for chunk in response.iter_bytes():
            content += chunk
            if len(content) > MAX_RESPONSE_BYTES or time.monotonic() > deadline:
                return None
        return json.loads(bytes(content))
    except (httpx.TransportError, httpx.DecodingError, ValueError, RecursionError):
        return None


def pull_requests_path(repository: str) -> str:
    return f"/repos/{repository}/pulls"


def find_pull_request(repository: str, *, head: str, base: str, marker: str) -> ForgeResponse | str | None:
    """The address of the pull request whose body holds `marker`, whatever became of it since; None: there is none.

    Where the forge gives no list, what it answered instead.

    Raises:
        NotSent, CutOff: as `send_request`.
    """
    qualified_head = head if ":" in head else f"{repository.split('/')[0]}:{head}"
    query = {
        "head": qualified_head,
        "base": base,
        "state": "all",
        "sort": "created",
        "direction": "desc",
        "per_page": PULL_REQUESTS_PER_PAGE,
    }
    answer = send_request("GET", pull_requests_path(repository), query=query)
    if answer.status != httpx.codes.OK or not isinstance(answer.body, list):
        return answer
    matching = [one for one in answer.body if isinstance(one, dict) and marker in str(one.get("body"))]
    return pull_request_url(matching[0]) if matching else None


def open_pull_request(repository: str, content: dict[str, str]) -> ForgeResponse:
    """Ask for a pull request with `content` (title, body, head, base).

    Raises:
        NotSent, CutOff: as `send_request`.
    """
    return send_request("POST", pull_requests_path(repository), content=content)


def pull_request_url(pull_request: Any) -> str:
    """Where people look at a pull request, or its number, as far as the forge has said."""
    data = pull_request if isinstance(pull_request, dict) else {}
    url, number = data.get("html_url"), data.get("number")
    if isinstance(url, str) and url.startswith(("https://", "http://")) and url.isprintable():
        return url[:MAX_ERROR_LENGTH]
    return f"#{number}" if isinstance(number, int) else "the pull request"
