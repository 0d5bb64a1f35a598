"""Every sentence the hub says, by kind, locale and medium.

``catalogue/<locale>/*.yaml`` hold ``kind: text`` or ``kind: {text, sms, voice, subject, html}``, as Jinja templates. A
medium that has no wording of its own uses `text`. Data may hold Decimals, dates and instants, or the strings they
become on their way through the assistant (``"84.12"``, ``"2026-12-01"``); the filters read both.

Filters: money, day, day_long, clock, instant, kwh, number, percent, phone, digits (spells out for speech), t (a nested
kind, or words of the utility's own by locale).
"""

import functools
import pathlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import jinja2
import markupsafe
import yaml
from babel import dates, numbers

from core import periods

_HERE = pathlib.Path(__file__).parent / "catalogue"
MEDIA = ("chat", "sms", "email", "voice")
LOCALES = ("en", "es")
# what can be worded: a kind of the catalogues, or words of the utility's own by locale, such as the name of a plan
Kind = str | Mapping[str, str]


class MissingWording(KeyError):
    """No catalogue of this locale has the kind."""


@dataclass(frozen=True)
class Wording:
    """What is said: `text` always; the rest where the medium or the kind calls for it."""

    text: str
    subject: str | None = None
    html: str | None = None
    ssml: str | None = None


@dataclass(frozen=True)
class House:
    """What every sentence may name: the utility and its ways."""

    name: str
    phone: str
    emergency_phone: str
    currency: str
    timezone: str
    base_url: str
    cash_partner: str = ""  # shops that take cash for us; empty: none do


def render(kind: Kind, data: Mapping[str, Any], *, locale: str, medium: str, house: House) -> Wording:
    """This will word a kind for a medium ("chat", "sms", "email", "voice"). MissingWording when nothing bears it."""
    if not isinstance(kind, str):
        return _own(kind, locale, medium)
    entry = _entry(kind, locale)
    context = {**data, "utility": house, "locale": locale, "medium": medium}
    text = _fill(entry.get(medium) or entry["text"], context, locale, house, escape=False)
    subject = entry.get("subject")
    html = entry.get("html") if medium == "email" else None
    ssml = None
    if medium == "voice":
        ssml = _fill(entry.get("voice") or entry["text"], context, locale, house, escape=True)
    return Wording(
        text=text,
        subject=_fill(subject, context, locale, house, escape=False) if subject else None,
        html=_fill(html, context, locale, house, escape=True) if html else None,
        ssml=ssml,
    )


def label(kind: Kind, data: Mapping[str, Any], *, locale: str, house: House) -> str:
    """This will word a short label, such as a button's."""
    return render(kind, data, locale=locale, medium="chat", house=house).text


def filtered(name: str, value: Any, *, locale: str, house: House) -> str:
    """This will write one value as the catalogues' filter of that name does (``money``, ``day``, ``kwh`` ...)."""
    return _fill(f"{{{{ value|{name} }}}}", {"value": value, "medium": "chat"}, locale, house, escape=False)


def kinds(locale: str) -> frozenset[str]:
    """This will list every kind a locale can say."""
    return frozenset(_catalogue(locale))


@functools.lru_cache(maxsize=8)
def _catalogue(locale: str) -> Mapping[str, Mapping[str, str]]:
    merged: dict[str, Mapping[str, str]] = {}
    for path in sorted((_HERE / locale).glob("*.yaml")):
        for kind, entry in (yaml.safe_load(path.read_text()) or {}).items():
            if kind in merged:
                raise ValueError(f"{kind} stands twice in the {locale} catalogues ({path.name})")
            merged[kind] = {"text": entry} if isinstance(entry, str) else entry
    return merged


def _entry(kind: str, locale: str) -> Mapping[str, str]:
    try:
        return _catalogue(locale)[kind]
    except KeyError:
        raise MissingWording(f"{kind} ({locale})") from None


def _own(words: Mapping[str, str], locale: str, medium: str) -> Wording:
    """Words of the utility's own are said as they stand: they are no template."""
    if locale not in words:
        raise MissingWording(f"{dict(words)} ({locale})")
    said = words[locale]
    return Wording(text=said, ssml=str(markupsafe.escape(said)) if medium == "voice" else None)


def _fill(source: str, context: Mapping[str, Any], locale: str, house: House, *, escape: bool) -> str:
    template = _template(source, escape)
    return str(template.render({**context, "_locale": locale, "_house": house})).strip()


@functools.lru_cache(maxsize=4096)
def _template(source: str, escape: bool) -> jinja2.Template:
    return _environment(escape).from_string(source)


@functools.lru_cache(maxsize=2)
def _environment(escape: bool) -> jinja2.Environment:
    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined, autoescape=escape, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(
        money=_money,
        day=_day,
        day_long=_day_long,
        clock=_clock,
        instant=_instant,
        kwh=_kwh,
        number=_number,
        percent=_percent,
        phone=_phone,
        digits=_digits,
        t=_nested,
    )
    return environment


@jinja2.pass_context
def _money(context: jinja2.runtime.Context, value: Any) -> str:
    house: House = context["_house"]
    return numbers.format_currency(Decimal(str(value)), house.currency, locale=_babel(context))


@jinja2.pass_context
def _day(context: jinja2.runtime.Context, value: Any) -> str:
    pattern = "MMM d" if context["_locale"] == "en" else "d MMM"
    return dates.format_date(_date(value, context), pattern, _babel(context))


@jinja2.pass_context
def _day_long(context: jinja2.runtime.Context, value: Any) -> str:
    return dates.format_date(_date(value, context), "full", _babel(context))


@jinja2.pass_context
def _clock(context: jinja2.runtime.Context, value: Any) -> str:
    pattern = "h:mm a" if context["_locale"] == "en" else "H:mm"
    return dates.format_time(_local(value, context), pattern, locale=_babel(context))


@jinja2.pass_context
def _instant(context: jinja2.runtime.Context, value: Any) -> str:
    moment = _local(value, context)
    pattern = "EEE MMM d, h:mm a" if context["_locale"] == "en" else "EEE d MMM, H:mm"
    return dates.format_datetime(moment, pattern, locale=_babel(context))


@jinja2.pass_context
def _kwh(context: jinja2.runtime.Context, value: Any) -> str:
    amount = Decimal(str(value))
    places = "#,##0.0" if abs(amount) < 100 else "#,##0"
    return numbers.format_decimal(amount, format=places, locale=_babel(context)) + " kWh"


@jinja2.pass_context
def _number(context: jinja2.runtime.Context, value: Any) -> str:
    return numbers.format_decimal(Decimal(str(value)), locale=_babel(context))


@jinja2.pass_context
def _percent(context: jinja2.runtime.Context, value: Any) -> str:
    return numbers.format_percent(Decimal(str(value)), locale=_babel(context))


def _phone(value: Any) -> str:
    text = str(value)
    if len(text) == 12 and text.startswith("+1"):
        return f"({text[2:5]}) {text[5:8]}-{text[8:]}"
    return text


@jinja2.pass_context
def _digits(context: jinja2.runtime.Context, value: Any) -> str:
    """Speech reads a number digit by digit; the eye does not need it."""
    if context["medium"] != "voice":
        return str(value)
    spaced = " ".join(str(value))
    if not context.eval_ctx.autoescape:
        return spaced
    return markupsafe.Markup('<say-as interpret-as="digits">{}</say-as>').format(spaced)


@jinja2.pass_context
def _nested(context: jinja2.runtime.Context, kind: Kind, **data: Any) -> str:
    return render(kind, data, locale=context["_locale"], medium=context["medium"], house=context["_house"]).text


def _babel(context: jinja2.runtime.Context) -> str:
    return {"en": "en_US", "es": "es_US"}[context["_locale"]]


def _date(value: Any, context: jinja2.runtime.Context) -> date:
    if isinstance(value, str):
        value = datetime.fromisoformat(value) if len(value) > 10 else date.fromisoformat(value)
    if isinstance(value, datetime):
        return periods.civil_day(value, context["_house"].timezone)
    return value  # type: ignore[no-any-return]


def _local(value: Any, context: jinja2.runtime.Context) -> datetime:
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    return periods.local(moment, context["_house"].timezone)
