"""Reading requests: typed bodies with OpenAI's refusals, and pages of lists."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from engine.local.guard import ApiError, json_response

Body = TypeVar("Body")
Item = TypeVar("Item")

_MAX_PAGE = 10_000


async def read_body(request: Request, kind: type[Body]) -> Body:
    """The JSON body as `kind`. Raises ApiError 400, with the parameter at fault."""
    try:
        return msgspec.json.decode(await request.body(), type=kind)
    except msgspec.ValidationError as error:
        reason, _, path = str(error).partition(" - at `")
        param = re.sub(r"^\$\.?", "", path.rstrip("`")) or _missing_field(reason)
        raise ApiError(400, f"Invalid request: {reason}.", code="invalid_value", param=param) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise ApiError(400, "The body of the request is not valid JSON.", code="invalid_json") from None


def page(
    request: Request,
    items: Sequence[Item],
    identity: Callable[[Item], str],
    show: Callable[[Item], dict[str, Any]],
) -> Response:
    """OpenAI's list object: the items after the one whose id is `after`, at most `limit` (20)."""
    after = request.query_params.get("after")
    start = 0
    if after:
        start = next((i for i, item in enumerate(items, 1) if identity(item) == after), -1)
        if start < 0:
            raise ApiError(400, f"There is nothing with the id '{after}' here.", param="after")
    limit = request.query_params.get("limit", "20")
    short = len(limit) <= len(str(_MAX_PAGE))  # int() refuses thousands of digits
    if not (limit.isascii() and limit.isdigit() and short and 1 <= int(limit) <= _MAX_PAGE):
        raise ApiError(400, f"limit must be a number from 1 to {_MAX_PAGE}.", param="limit")
    chosen = items[start : start + int(limit)]
    return json_response(
        {
            "object": "list",
            "data": [show(item) for item in chosen],
            "first_id": identity(chosen[0]) if chosen else None,
            "last_id": identity(chosen[-1]) if chosen else None,
            "has_more": start + len(chosen) < len(items),
        }
    )


def _missing_field(reason: str) -> str | None:
    found = re.search(r"missing required field `(\w+)`", reason)
    return found[1] if found else None
