"""The composition root: the one place that picks vendors and puts a Hub together."""

from dataclasses import dataclass

import flask
import redis

from billing.gateways.stripe_gateway import StripeGateway
from bot.client import RasaAssistant
from channels.email import sender as email
from channels.email import web as email_web
from channels.letters.folder import LetterFolder
from channels.meters import web as meters_web
from channels.payments import web as payments_web
from channels.portal import visitor as portal_visitor
from channels.portal import web as portal_web
from channels.sms import sender as sms
from channels.sms import web as sms_web
from channels.voice import sender as voice
from channels.voice import web as voice_web
from channels.web_chat import sender as web_chat
from channels.web_chat import wakeups
from channels.web_chat import web as web_chat_web
from channels.whatsapp import sender as whatsapp
from channels.whatsapp import web as whatsapp_web
from core import db
from core.hub import Hub
from core.settings import Settings
from crm_sync import limiter
from crm_sync import web as crm_web
from crm_sync.hubspot import HubSpot
from ops_admin import config, lane, worker
from ops_admin.console import web as console_web
from ops_admin.subscriptions import SUBSCRIPTIONS

_DEVELOPMENT_KEY = Settings().secret_key


@dataclass(frozen=True)
class Doors:
    """What the web server shows to the outside."""

    blueprints: tuple[flask.Blueprint, ...]
    wakeups: wakeups.Wakeups


def build(settings: Settings, *, pool_size: int = 20) -> Hub:
    """This will put together the hub of one process. Nothing is called yet: connections open when first used."""
    return _build(settings, wakeups.Wakeups(settings.redis_url), pool_size)


def build_web(settings: Settings) -> tuple[Hub, Doors]:
    """This will put together the hub of a web process, and its doors."""
    wakes = wakeups.Wakeups(settings.redis_url)
    hub = _build(settings, wakes, pool_size=30)
    doors = (
        web_chat_web.blueprint(lane.beside(hub), wakes, signed_in=lambda request: _signed_in(hub, request)),
        sms_web.blueprint(hub),
        whatsapp_web.blueprint(hub),
        email_web.blueprint(hub),
        voice_web.blueprint(hub),
        payments_web.blueprint(hub),
        meters_web.blueprint(hub),
        crm_web.blueprint(hub),
        portal_web.blueprint(hub, wakes),
        console_web.blueprint(hub, queue_ready=lambda: _answers(wakes)),
    )
    return hub, Doors(doors, wakes)


def _build(settings: Settings, wakes: wakeups.Wakeups, pool_size: int) -> Hub:
    if settings.secret_key == _DEVELOPMENT_KEY and not settings.demo:
        raise RuntimeError("SECRET_KEY is not set: make a long random one, and keep it")
    engine = db.connect(settings.database_url, pool_size=pool_size, max_overflow=40)
    worker.configure(settings.redis_url)
    client = redis.Redis.from_url(settings.redis_url, socket_timeout=2, socket_connect_timeout=1)
    take = limiter.limiter(client, name="hubspot", per_10s=settings.hubspot_requests_per_10s)
    return Hub(
        settings=settings,
        sessions=db.sessions(engine),
        now=config.now,
        assistant=RasaAssistant(urls=settings.rasa_urls, token=settings.rasa_token, timeout=settings.assistant_timeout),
        crm=HubSpot(settings, take),
        payments=StripeGateway(
            api_key=settings.stripe_api_key,
            webhook_secret=settings.stripe_webhook_secret,
            api_base=settings.stripe_api_base,
        ),
        channels={
            "WEB": web_chat.WebChat(wakes.publish),
            "SMS": sms.Sms(settings, config.now),
            "WHATSAPP": whatsapp.WhatsApp(settings, config.now),
            "EMAIL": email.SendGrid(settings),
            "VOICE": voice.Voice(),
        },
        letters=LetterFolder(settings.letter_folder) if settings.letter_folder else None,
        subscriptions=SUBSCRIPTIONS,
        ring=worker.ring,
        ring_later=worker.ring_later,
        publish=wakes.publish,
    )


def _answers(wakes: wakeups.Wakeups) -> bool:
    """Whether the queue answers."""
    try:
        return bool(wakes.redis.ping())
    except redis.RedisError:
        return False


def _signed_in(hub: Hub, request: flask.Request) -> int | None:
    """The customer behind a chat on our own website: the portal's session says who."""
    if portal_visitor.COOKIE not in request.cookies:
        return None
    with hub.transaction() as session:
        visitor = portal_visitor.find(hub, session)
    return visitor.customer.id if visitor else None
