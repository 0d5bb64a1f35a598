"""Twilio's doors for calls. Each answers with TwiML in the same request; a call is named by its CallSid."""

from collections.abc import Mapping
from dataclasses import replace

from flask import Blueprint, Response, request
from werkzeug.exceptions import BadRequest

from channels import edge, twilio_edge
from channels.voice import answering, parse, render, till
from core import errors, log
from core.conversations import operations as conversations
from core.conversations import queries as talks
from core.hub import Hub

logger = log.get(__name__)

_MOST_SILENCES = 3
_MOST_POLLS = 4


def blueprint(hub: Hub) -> Blueprint:
    """This will give POST /hooks/twilio/voice and its steps: turn, poll, paid, paying, dialled, voicemail, status."""
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

    @door.post("/hooks/twilio/voice/paid")
    def paid() -> Response:
        return _twiml(line.paid(line.fields(), line.place()))

    @door.post("/hooks/twilio/voice/paying")
    def paying() -> Response:
        return _twiml(line.paying(line.fields(), line.place()))

    @door.post("/hooks/twilio/voice/pay-status")
    def pay_status() -> Response:
        fields = line.fields()
        logger.info("pay_status", extra={"call": fields["CallSid"], **parse.progress_of_pay(fields)})
        return Response(status=204)

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
        self._till = till.Till(hub, self.call)

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
        if digits == parse.PAY_NOW or (not digits and parse.wants_to_pay_now(speech)):
            spoken = self._offered(place)
            if spoken:
                return self._pay(fields, spoken, place)
        if digits == parse.LANGUAGE and 0 <= place.question < 9:
            return self._other_language(place)
        is_menu = len(digits) == 1 and (place.question == 0 or (digits == "0" and place.question > 0))
        payload = parse.MENU.get(digits) if is_menu else None
        if is_menu and payload is None:
            return self.call.ask_again(place)
        return self._take(fields, place, text=digits.replace("*", "") or speech, payload=payload)

    def _take(self, fields: Mapping[str, str], place: render.Place, *, text: str, payload: str | None) -> str:
        """This will let the assistant answer a turn."""
        inbound = parse.inbound(
            fields, turn=place.turn, now=self.hub.now(), locale=place.locale, text=text, payload=payload
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
        return self._tell(place)

    def paid(self, fields: Mapping[str, str], place: render.Place) -> str:
        """This will take up how Twilio's asking for a card ended."""
        self._till.settle(fields, place)
        if parse.hung_up(fields):
            return self.call.end(None, place)
        return self.paying(fields, place)

    def paying(self, fields: Mapping[str, str], place: render.Place) -> str:
        """This will say what came of a charge, or fill the time until it is known."""
        if not self._till.done(fields["CallSid"], place, last=place.tries >= _MOST_POLLS):
            return self.call.wait(replace(place, tries=place.tries + 1), "paying")
        return self._tell(replace(place, attempt=0))

    def _pay(self, fields: Mapping[str, str], spoken: tuple[render.Spoken, ...], place: render.Place) -> str:
        """This will let the caller pay what was just offered."""
        try:
            asked = self._till.begin(fields["CallSid"], spoken, place)
        except errors.Refused as refused:
            if refused.code != "identity.unverified":
                raise
            # the proof of who is calling has run out: the assistant asks for it, and offers again
            return self._take(fields, place, text="", payload="/pay_bill")
        return asked if isinstance(asked, str) else self._tell(asked)

    def _offered(self, place: render.Place) -> tuple[render.Spoken, ...]:
        """What was last said, if it can be paid by keypad."""
        if place.conversation_id is None:
            return ()
        spoken, floor, _ = self._answer(place)
        return spoken if floor == "BOT" and self.call.offers(spoken, place.question) else ()

    def _tell(self, place: render.Place) -> str:
        """This will say what was answered, and listen or put through."""
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
            render.Spoken(m.text, m.ssml, tuple(label for _, label in m.choices), m.kind, m.data, m.seq)
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
