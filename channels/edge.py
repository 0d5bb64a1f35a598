"""What every door shares: errors become HTTP here, and nowhere else; bodies are bounded; traces stay inside."""

import json
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from flask import Blueprint, Response, jsonify, request
from werkzeug.exceptions import BadRequest, HTTPException
from werkzeug.wrappers import Response as AnyResponse

from core import errors, log, money, wording
from core.settings import Settings

logger = log.get(__name__)

KILOBYTE = 1024
MEGABYTE = 1024 * KILOBYTE
TEXT_CAP = 64_000  # characters of one inbound message that are kept
FIELD_CAP = 4_000  # characters of one unknown vendor field that are kept

# what PostgreSQL cannot store or XML cannot carry: C0 controls (but tab and line feed), surrogates, non-characters
_UNSTORABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff\ufffe\uffff]")


def guard(blueprint: Blueprint, *, limit: int) -> Blueprint:
    """This will bound the bodies of a blueprint's requests and turn every error into a JSON answer without a trace."""

    @blueprint.before_request
    def bound() -> None:
        request.max_content_length = limit
        request.max_form_memory_size = limit
        if (request.content_length or 0) > limit:
            raise _TooLarge

    blueprint.register_error_handler(errors.WattlineError, answer_error)
    blueprint.register_error_handler(HTTPException, _http)
    blueprint.register_error_handler(Exception, _unknown)
    return blueprint


def status_of(exc: errors.WattlineError) -> int:
    """This will give the HTTP number of an error."""
    match exc:
        case errors.Invalid():
            return 422
        case errors.NotFound():
            return 404
        case errors.ProviderError():
            return 503 if exc.retryable else 502
        case errors.Refused() if exc.code.startswith(("webhook.", "identity.", "chat.")):
            return 403
    return 409


def number(text: str, *, wrong: str) -> Decimal | None:
    """This will read a number somebody typed, thousands grouped by commas; None for nothing, Invalid `wrong` else."""
    typed = text.strip().replace(",", "")
    if not typed:
        return None
    try:
        return money.parse(typed)
    except ValueError:
        raise errors.Invalid(wrong) from None


def whole(text: str | None, *, wrong: str = "form.choice") -> int:
    """This will read digits of a form, such as the number of a row it names; Invalid `wrong` for anything else."""
    if text is None or not text.isascii() or not text.isdigit() or len(text) > 18:
        raise errors.Invalid(wrong)
    return int(text)


def json_body() -> dict[str, Any]:
    """This will give the request's JSON object; anything else is a 400."""
    if not request.is_json:
        raise BadRequest
    body = request.get_json(silent=True)
    if not isinstance(body, dict):
        raise BadRequest
    return body


def clean(text: str, cap: int = TEXT_CAP) -> str:
    """This will show what cannot be stored by its sign (NUL as ␀), even out line ends and bound the length."""
    return _UNSTORABLE.sub(_sign, text.replace("\r\n", "\n").replace("\r", "\n")).strip()[:cap]


def _sign(found: re.Match[str]) -> str:
    """Unicode has a visible sign for each control character; half characters become the replacement character."""
    code = ord(found.group())
    return chr(0x2400 + code) if code < 0x20 else "\u2421" if code == 0x7F else "\ufffd"


def kept(fields: Mapping[str, Any], *, without: frozenset[str] = frozenset()) -> dict[str, Any]:
    """This will give a vendor's fields as they may be stored: bounded, and without those that repeat the words."""
    out: dict[str, Any] = {}
    for name, value in list(fields.items())[:200]:
        if name not in without:
            text = value if isinstance(value, str) else json.dumps(value, default=str)
            out[clean(name, 100)] = clean(text, FIELD_CAP)
    return out


def house(settings: Settings) -> wording.House:
    """This will give what every sentence may name, from the settings."""
    return wording.House(
        name=settings.utility_name,
        phone=settings.utility_phone,
        emergency_phone=settings.emergency_phone,
        currency=settings.currency,
        timezone=settings.utility_timezone,
        base_url=settings.public_base_url.rstrip("/"),
        cash_partner=settings.cash_partner,
    )


def known_locale(settings: Settings, wanted: str | None) -> str:
    """This will give the locale we speak that is nearest to a tag such as ``es-MX``; else the default."""
    short = (wanted or "").replace("_", "-").split("-")[0].lower()
    return short if short in settings.locales else settings.default_locale


class _TooLargeError(HTTPException):
    code = 413


_TooLarge = _TooLargeError()


def answer_error(exc: errors.WattlineError) -> Response:
    """This will answer an error as JSON: its code, and nothing of how it came about."""
    response = jsonify(error=exc.code)
    response.status_code = status_of(exc)
    if isinstance(exc, errors.ProviderError) and exc.retry_after:
        response.headers["Retry-After"] = str(max(1, round(exc.retry_after)))
    return response


def _http(exc: HTTPException) -> Response | AnyResponse:
    if exc.code is None or exc.code < 400:
        return exc.get_response()
    response = jsonify(error=f"http.{exc.code}")
    response.status_code = exc.code
    for name, value in exc.get_headers():
        if name.lower() in ("allow", "retry-after"):
            response.headers[name] = value
    return response


def _unknown(exc: Exception) -> Response:
    logger.error("request_failed", extra={"endpoint": request.endpoint}, exc_info=exc)
    response = jsonify(error="http.500")
    response.status_code = 500
    return response
