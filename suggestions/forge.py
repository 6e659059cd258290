"""The client of the forge that hosts our repositories, for the HTTP API that GitHub, Gitea and Forgejo share.

Its answers are untrusted: limited in size and time, and no link or redirect is followed.
"""

import json
import time
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from django.conf import settings

from crm.runtime.lazy_module import LazyModule

# Only a pull request needs it, and every command would wait for its import.
httpx = LazyModule("httpx")
REQUEST_TIMEOUT = {"timeout": 20.0, "connect": 5.0}
# The whole answer must arrive in so many seconds, and has at most so many bytes.
MAX_RESPONSE_SECONDS = 30.0
MAX_RESPONSE_BYTES = 2_000_000
MAX_ERROR_LENGTH = 300
# The newest pull requests of the branches: the one just opened is among them.
PULL_REQUESTS_PER_PAGE = 30


class RequestNotSent(Exception):
    """Nothing reached the forge; `str(error)` says why."""


class RequestInterrupted(Exception):
    """It was sent, and it is not known whether it arrived; `str(error)` says why."""


@dataclass(frozen=True)
class ForgeResponse:
    """The answer of the forge; `body` is None if it is not JSON, too long, or incomplete."""

    status: int
    body: Any
    retry_after: bool

    @property
    def sentence(self) -> str:
        """Return what went wrong, in the forge's own words if it has any."""
        if self.status < HTTPStatus.BAD_REQUEST:
            return f"The answer {self.status} is not that of a forge: check FORGE_URL and the repository"
        body = self.body if isinstance(self.body, dict) else {}
        errors = body.get("errors") if isinstance(body.get("errors"), list) else []
        messages = [body.get("message"), *(one.get("message") if isinstance(one, dict) else one for one in errors)]
        words = " ".join(" ".join(one.replace("\x00", " ").split()) for one in messages if isinstance(one, str))
        explanation = f": {words[:MAX_ERROR_LENGTH]}" if words else " and does not say why"
        return f"The forge answered {self.status}{explanation.encode('utf-8', 'replace').decode()}".rstrip(".")


def is_forge_configured() -> bool:
    return bool(settings.FORGE_URL and settings.FORGE_TOKEN)


def send_request(method: str, path: str, *, query: dict[str, Any] | None = None, content: Any = None) -> ForgeResponse:
    """Send one request to the forge, without retry and without following redirects.

    Raises:
        RequestNotSent: there was no connection.
        RequestInterrupted: the connection broke.
    """
    headers = {"Authorization": f"Bearer {settings.FORGE_TOKEN}", "Accept": "application/json"}
    try:
        with (
            httpx.Client(timeout=httpx.Timeout(**REQUEST_TIMEOUT), follow_redirects=False, headers=headers) as client,
            client.stream(method, f"{settings.FORGE_URL}{path}", params=query, json=content) as response,
        ):
            return ForgeResponse(response.status_code, read_json(response), "retry-after" in response.headers)
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
        raise RequestNotSent("The forge cannot be reached.") from error
    except httpx.TimeoutException as error:
        raise RequestInterrupted("The forge did not answer in time.") from error
    except httpx.TransportError as error:
        raise RequestInterrupted("The forge broke off the connection.") from error


def read_json(response: "httpx.Response") -> Any:
    """Return the body as JSON, or None if it is not JSON."""
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
    """Return the URL of the pull request, open or closed, that has `marker` in its body; None if there is none.

    If the forge answers with no list, return its answer.

    Raises:
        RequestNotSent, RequestInterrupted: as in `send_request`.
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
    if answer.status != HTTPStatus.OK or not isinstance(answer.body, list):
        return answer
    matching = [one for one in answer.body if isinstance(one, dict) and marker in str(one.get("body"))]
    return pull_request_url(matching[0]) if matching else None


def open_pull_request(repository: str, content: dict[str, str]) -> ForgeResponse:
    """Open a pull request with `content` (title, body, head, base).

    Raises:
        RequestNotSent, RequestInterrupted: as in `send_request`.
    """
    return send_request("POST", pull_requests_path(repository), content=content)


def pull_request_url(pull_request: Any) -> str:
    """Return the URL of a pull request, or its number, as far as the forge says."""
    data = pull_request if isinstance(pull_request, dict) else {}
    url, number = data.get("html_url"), data.get("number")
    if isinstance(url, str) and url.startswith(("https://", "http://")) and url.isprintable():
        return url[:MAX_ERROR_LENGTH]
    return f"#{number}" if isinstance(number, int) else "the pull request"
