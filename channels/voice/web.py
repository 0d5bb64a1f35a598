"""Twilio's doors for calls. Each answers with TwiML in the same request; a call is named by its CallSid."""

from collections.abc import Mapping
from dataclasses import replace

from flask import Blueprint, Response, request
from werkzeug.exceptions import BadRequest

from channels import edge, twilio_edge
from channels.voice import answering, parse, render
from core import errors, log
from core.conversations import operations as conversations
from core.conversations import queries as talks
from core.hub import Hub

logger = log.get(__name__)

_MOST_SILENCES = 3
_MOST_POLLS = 4


def blueprint(hub: Hub) -> Blueprint:
    """This will give POST /hooks/twilio/voice and its steps: turn, poll, dialled, voicemail, status."""
    door = edge.guard(Blueprint("voice", __name__), limit=256 * edge.KILOBYTE)
    line = _Line(hub)

    @door.post("/hooks/twilio/voice")
    def ring() -> Response:
        line.fields()
        return _twiml(line.call.greet(line.place()))

    @door.post("/hooks/twilio/voice/turn")
    def turn() -> Response:
        return _twiml(line.turn(line.fields(), line.place()))

    @door.post("/hooks/twilio/voice/poll")
    def poll() -> Response:
        line.fields()
        return _twiml(line.listen(line.place()))

    @door.post("/hooks/twilio/voice/dialled")
    def dialled() -> Response:
        fields, place = line.fields(), line.place()
        if fields.get("DialCallStatus") == "completed":
            return _twiml(line.call.end(None, place))
        return _twiml(line.call.voicemail(place))

    @door.post("/hooks/twilio/voice/voicemail")
    def voicemail() -> Response:
        fields, place = line.fields(), line.place()
        line.keep_voicemail(fields, place)
        return _twiml(line.call.end("channels.voice_recorded", place))

    @door.post("/hooks/twilio/voice/status")
    def status() -> Response:
        fields = line.fields()
        logger.info("call_status", extra={"call": fields["CallSid"], "status": fields.get("CallStatus", "")[:20]})
        return Response(status=204)

    @door.errorhandler(errors.WattlineError)
    @door.errorhandler(Exception)
    def trouble(exc: Exception) -> Response:
        """A caller hears an apology and gets a person, not Twilio's own error sentence; a stranger gets a 403."""
        if isinstance(exc, errors.Refused) and exc.code.startswith("webhook."):
            return edge.answer_error(exc)
        logger.error("call_failed", extra={"endpoint": request.endpoint}, exc_info=exc)
        return _twiml(line.call.transfer((), line.place(), trouble=True))

    return door


class _Line:
    """The steps of a call."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self.call = render.Call(hub.settings)
        self._answering = answering.Answering(hub)

    def fields(self) -> dict[str, str]:
        """This will give the form of a request Twilio signed."""
        twilio_edge.check(self.hub.settings, request)
        fields = twilio_edge.form(request)
        if not fields.get("CallSid"):
            raise BadRequest
        return fields

    def place(self) -> render.Place:
        return render.read_place(request.args, self.hub.settings)

    def turn(self, fields: Mapping[str, str], place: render.Place) -> str:
        """This will take one turn of the caller: keys, words, or silence."""
        digits, speech = parse.said(fields)
        if not digits and not speech:
            place = replace(place, silence=place.silence + 1)
            if place.silence >= _MOST_SILENCES:
                return self.call.transfer((), place, trouble=True)
            return self.call.ask_again(place)
        place = replace(place, silence=0)
        if digits == parse.REPEAT:
            return self._repeat(place)
        if digits == parse.LANGUAGE and 0 <= place.question < 9:
            return self._other_language(place)
        is_menu = len(digits) == 1 and (place.question == 0 or (digits == "0" and place.question > 0))
        payload = parse.MENU.get(digits) if is_menu else None
        if is_menu and payload is None:
            return self.call.ask_again(place)
        inbound = parse.inbound(
            fields,
            turn=place.turn,
            now=self.hub.now(),
            locale=place.locale,
            text=digits.replace("*", "") or speech,
            payload=payload,
        )
        with self.hub.transaction() as session:
            received = conversations.receive_message(
                session, inbound=inbound, now=self.hub.now(), settings=self.hub.settings
            )
        return self.listen(replace(place, conversation_id=received.conversation_id, after=received.seq))

    def listen(self, place: render.Place) -> str:
        """This will say the answer if it is there within the wait, and else fill the time."""
        if place.conversation_id is None:
            return self.call.greet(render.Place(locale=place.locale))
        if not self._answering.ready(place.conversation_id):
            place = replace(place, tries=place.tries + 1)
            if place.tries > _MOST_POLLS:
                return self.call.transfer((), replace(place, tries=0), trouble=True)
            return self.call.wait(place)
        spoken, floor, locale = self._answer(place)
        place = replace(place, turn=place.turn + 1, tries=0, locale=locale, question=render.question_of(spoken))
        if floor != "BOT":
            return self.call.transfer(spoken, place)
        if not spoken:
            return self.call.transfer((), place, trouble=True)
        return self.call.answer(spoken, place)

    def keep_voicemail(self, fields: Mapping[str, str], place: render.Place) -> None:
        """This will keep a recording as the caller's message, and ask for a person to hear it."""
        url = fields.get("RecordingUrl", "")
        if not url.startswith("https://"):
            return
        now = self.hub.now()
        inbound = parse.inbound(fields, turn=0, now=now, locale=place.locale)
        seconds = fields.get("RecordingDuration", "0")
        attachment = {
            "name": "voicemail",
            "kind": "voicemail",
            "content_type": "audio/mpeg",
            "url": url[:2000],
            "seconds": int(seconds) if seconds.isdigit() else 0,
        }
        inbound = replace(
            inbound,
            external_id=fields.get("RecordingSid") or f"{fields['CallSid']}:voicemail",
            attachments=(attachment,),
        )
        with self.hub.transaction() as session:
            received = conversations.receive_message(session, inbound=inbound, now=now, settings=self.hub.settings)
            conversations.request_handoff(
                session,
                conversation_id=received.conversation_id,
                reason="CUSTOMER_ASKED",
                key=f"voicemail:{inbound.external_id}",
                now=now,
            )

    def _answer(self, place: render.Place) -> tuple[tuple[render.Spoken, ...], str, str]:
        assert place.conversation_id is not None
        with self.hub.transaction() as session:
            talk = talks.get_conversation(session, conversation_id=place.conversation_id, now=self.hub.now())
            messages = talks.list_outbound(session, conversation_id=place.conversation_id, after_seq=place.after)
        spoken = tuple(
            render.Spoken(m.text, m.ssml, tuple(label for _, label in m.choices), m.kind, m.data)
            for m in messages
            if m.text or m.ssml
        )
        return spoken, talk.floor, talk.locale

    def _repeat(self, place: render.Place) -> str:
        if place.conversation_id is None:
            return self.call.greet(place)
        spoken, _, _ = self._answer(place)
        return self.call.answer(spoken, place) if spoken else self.call.greet(place)

    def _other_language(self, place: render.Place) -> str:
        locales = self.hub.settings.locales
        following = locales[(locales.index(place.locale) + 1) % len(locales)]
        if place.conversation_id is not None:
            with self.hub.transaction() as session:
                talk = talks.get_conversation(session, conversation_id=place.conversation_id, now=self.hub.now())
                conversations.set_locale(session, token=talk.token, locale=following, now=self.hub.now())
        return self.call.greet(replace(place, locale=following, question=0))


def _twiml(markup: str) -> Response:
    return Response(markup, mimetype="text/xml")
