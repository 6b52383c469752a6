"""The body of an HTTP request, bounded."""

from __future__ import annotations

from starlette.requests import ClientDisconnect, Request

from tickwire.errors import InvalidInput
from tickwire.limits import MESSAGE_BYTES_MAX


async def body_of(request: Request) -> bytes:
    """All of it.

    Raises:
        InvalidInput: it is larger than `MESSAGE_BYTES_MAX`, or did not come.
    """
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > MESSAGE_BYTES_MAX:
                raise InvalidInput(f"the body is larger than {MESSAGE_BYTES_MAX} bytes", code="invalid_request")
    except ClientDisconnect:
        raise InvalidInput("the body did not come", code="invalid_request") from None
    return bytes(body)
