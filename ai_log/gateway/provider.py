"""The client for the model's provider, with the protocol of OpenAI's chat completions.

The response is limited in size and time. A failed request is not repeated; retries are up to the caller.
"""

import asyncio
import dataclasses
import ssl
from collections.abc import AsyncIterator
from decimal import Decimal
from functools import cache
from typing import Any

import httpx2
from django.conf import settings
from openai import AsyncOpenAI, OpenAIError
from pydantic import BaseModel
from pydantic_ai.direct import model_request
from pydantic_ai.exceptions import AgentRunError, ModelHTTPError, ModelTimeoutError, UserError
from pydantic_ai.messages import ModelRequest, ModelResponse, SystemPromptPart, UserPromptPart
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.output import OutputObjectDefinition
from pydantic_ai.providers.openai import OpenAIProvider

from ai_log.gateway.replies import MAX_ANSWER_TOKENS, ProviderError, Reply, redact_key

MAX_PROVIDER_RESPONSE_BYTES = 2_000_000
MAX_PROVIDER_ERROR_LENGTH = 300
# The client requires a key, even for local models that need none.
PLACEHOLDER_KEY = "none"


@cache
def tls_context() -> ssl.SSLContext:
    """Return what the certificates of providers are checked with. Loading the authorities takes longer than a call."""
    return httpx2.create_ssl_context()


class ResponseTooLong(Exception):
    """The response is too long, or compressed, so that its length is unknown."""


class SizeLimitedTransport(httpx2.AsyncHTTPTransport):
    """A transport that stops reading a response that is too long."""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response = await super().handle_async_request(request)
        if response.headers.get("content-encoding", "identity") != "identity":
            await response.aclose()
            raise ResponseTooLong
        response.stream = SizeLimitedStream(response.stream)
        return response


class SizeLimitedStream(httpx2.AsyncByteStream):
    def __init__(self, stream: Any) -> None:
        self.stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        bytes_read = 0
        async for chunk in self.stream:
            bytes_read += len(chunk)
            if bytes_read > MAX_PROVIDER_RESPONSE_BYTES:
                raise ResponseTooLong
            yield chunk

    async def aclose(self) -> None:
        await self.stream.aclose()


def request_reply(system: str, prompt: str, answer: type[BaseModel] | None) -> Reply:
    """Send one request; with `answer`, ask for JSON with its schema. Blocks for at most AI_TIMEOUT seconds.

    Raises:
        ProviderError: there was no valid response.
    """
    try:
        response = asyncio.run(asyncio.wait_for(request_completion(system, prompt, answer), settings.AI_TIMEOUT))
    except (TimeoutError, ModelTimeoutError):
        raise ProviderError(f"The model did not answer within {settings.AI_TIMEOUT} seconds.", "timeout") from None
    except (
        AgentRunError,
        UserError,
        OpenAIError,
        httpx2.HTTPError,
        ResponseTooLong,
        ValueError,
        RecursionError,
    ) as error:
        raise to_provider_error(error) from None
    return parse_response(response)


async def request_completion(system: str, prompt: str, answer: type[BaseModel] | None) -> ModelResponse:
    transport, headers = SizeLimitedTransport(verify=tls_context()), {"Accept-Encoding": "identity"}
    async with httpx2.AsyncClient(transport=transport, timeout=settings.AI_TIMEOUT, headers=headers) as http:
        client = AsyncOpenAI(
            base_url=settings.AI_URL,
            api_key=settings.AI_KEY or PLACEHOLDER_KEY,
            organization="",
            project="",
            max_retries=0,
            http_client=http,
        )
        model = OpenAIChatModel(settings.AI_MODEL, provider=OpenAIProvider(openai_client=client))
        return await model_request(
            model,
            [ModelRequest(parts=[SystemPromptPart(system), UserPromptPart(prompt)])],
            model_settings={"temperature": settings.AI_TEMPERATURE, "max_tokens": MAX_ANSWER_TOKENS},
            model_request_parameters=request_parameters(answer),
        )


def request_parameters(answer: type[BaseModel] | None) -> ModelRequestParameters:
    """Return the parameters for the output format. The caller still has to validate the answer."""
    if answer is None:
        return ModelRequestParameters()
    output = OutputObjectDefinition(json_schema=answer.model_json_schema(), name=answer.__name__)
    return ModelRequestParameters(output_mode="native", output_object=output)


def to_provider_error(error: Exception) -> ProviderError:
    """Return a `ProviderError` that says what went wrong, without secrets."""
    chain, cause = [], error
    while cause is not None and cause not in chain:
        chain.append(cause)
        cause = cause.__cause__ or cause.__context__
    if any(isinstance(one, ResponseTooLong) for one in chain):
        return ProviderError(
            f"The response was compressed or longer than {MAX_PROVIDER_RESPONSE_BYTES:,} bytes, so it was not read.",
            "too_long",
        )
    if isinstance(error, ModelHTTPError):
        return ProviderError(
            f"The provider answered {error.status_code}{provider_message(error.body)}.", str(error.status_code)
        )
    if any(isinstance(one, httpx2.TimeoutException) for one in chain):
        return ProviderError(f"The model did not answer within {settings.AI_TIMEOUT} seconds.", "timeout")
    if any(isinstance(one, httpx2.ConnectError) for one in chain):
        return ProviderError("The provider cannot be reached. Check AI_URL and the network.", "unreachable")
    if any(isinstance(one, httpx2.TransportError) for one in chain):
        return ProviderError("The provider closed the connection early.", "cut_off")
    return ProviderError("The response is not a valid answer of a model. Check AI_URL.", "malformed")


def provider_message(body: object) -> str:
    """Return the provider's own error message, if any, with a colon before it."""
    message = body.get("message") if isinstance(body, dict) else None
    text = " ".join(message.split())[:MAX_PROVIDER_ERROR_LENGTH].rstrip(".") if isinstance(message, str) else ""
    return f": {redact_key(text)}" if text else ""


def parse_response(response: ModelResponse) -> Reply:
    details, usage = response.provider_details or {}, response.usage
    has_usage = not usage.unmeasured_requests and bool(usage.input_tokens or usage.output_tokens)
    return Reply(
        text=redact_key(response.text or ""),
        refusal=redact_key(str(details.get("refusal") or "")),
        model=redact_key(response.model_name or "")[:100],
        id=redact_key(response.provider_response_id or "")[:100],
        finish_reason=str(response.finish_reason or "unknown"),
        tokens_in=usage.input_tokens if has_usage else None,
        tokens_out=usage.output_tokens if has_usage else None,
        cost_usd=price_in_dollars(response) if has_usage else None,
    )


def price_in_dollars(response: ModelResponse) -> Decimal | None:
    """Return the price of `response` from the price list of AI_PROVIDER; None if the model is not listed."""
    if not settings.AI_PROVIDER or not response.model_name:
        return None
    priced_response = dataclasses.replace(response, provider_name=settings.AI_PROVIDER, provider_url=None)
    try:
        return priced_response.cost().total_price
    except (LookupError, ValueError, ArithmeticError):
        return None
