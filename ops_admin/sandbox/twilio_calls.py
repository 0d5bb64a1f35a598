"""A telephone call: Twilio's side of it. TwiML is fetched, read and carried out verb by verb, until somebody must
speak or press a key; then the call waits. What was said is the transcript."""

import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode, urljoin
from xml.etree import ElementTree

import requests

from ops_admin.sandbox import phones, signing, twilio_pay
from ops_admin.sandbox.world import World, sid

_MOST_STEPS = 60
_APPLICATION_ERROR = "We're sorry. An application error has occurred. Goodbye."
Call = dict[str, Any]


def start(world: World, number: str, caller_name: str = "") -> Call:
    """This will let a person phone the utility."""
    call = _new(world, number, world.config.voice_from, "inbound")
    call["callback"] = world.config.hub_public + world.config.voice_status_path
    _fetch(world, call, world.config.hub_public + world.config.voice_path, {})
    return _run(world, call)


def ring(world: World, to: str, url: str | None, twiml: str | None, callback: str | None) -> Call:
    """This will let the hub phone a person; the telephone rings until it is answered."""
    call = _new(world, world.config.voice_from, to, "outbound-api")
    call.update(status="ringing", state="ringing", url=url or "", twiml=twiml or "", callback=callback)
    return _keep(world, call)


def steer(world: World, key: str, url: str | None, twiml: str | None) -> None:
    """This will put a running call onto other TwiML, as a POST to the call does."""
    call = world.store.get("call", key)
    if call is None or call["state"] == "ended":
        return
    if twiml:
        call.update(twiml=twiml, at=0)
    else:
        _fetch(world, call, str(url), {})
    _run(world, call)


def answer(world: World, key: str, given: Mapping[str, Any]) -> Call:
    """This will give the waiting call what the person did: speech, digits, silence, or putting the phone down.

    With somebody at the other end, `agent` is what that one says, and `agent_hangup` ends their part.
    """
    call = world.store.get("call", key)
    if call is None:
        raise KeyError(key)
    if call["state"] == "ended":
        return call
    call["says"] = []
    if given.get("hangup"):
        _say(call, "caller", "", "hangup")
        if call["state"] == "paying":
            _fetch(world, call, call["pay"]["action"], twilio_pay.hung_up(call))  # nobody hears the answer
        return _end(world, call)
    if call["state"] == "ringing":
        call.update(state="running", status="in-progress")
        if call["twiml"] == "":
            _fetch(world, call, call["url"], {})
        return _run(world, call)
    if call["state"] == "gathering":
        return _gathered(world, call, given)
    if call["state"] == "recording":
        return _recorded(world, call, given)
    if call["state"] == "paying":
        return _paying(world, call, given)
    if call["state"] == "with_agent":
        return _with_agent(world, call, given)
    if call["state"] == "queued" and given.get("agent"):
        call["state"] = "with_agent"
        return _with_agent(world, call, given)
    return _keep(world, call)


def end(world: World, key: str) -> None:
    """This will end a call from the hub's side."""
    call = world.store.get("call", key)
    if call and call["state"] != "ended":
        _end(world, call)


def view(call: Mapping[str, Any]) -> dict[str, Any]:
    """This will show a call to the page and to tests."""
    return {
        "call_sid": call["sid"],
        "from": call["from"],
        "to": call["to"],
        "direction": call["direction"],
        "status": call["status"],
        "state": call["state"],
        "says": [item["text"] for item in call["says"] if item["who"] == "line"],
        "spoken": [item for item in call["says"] if item["who"] == "line"],
        "gathering": call["gather"] if call["state"] == "gathering" else None,
        "paying": twilio_pay.view(call) if call["state"] == "paying" else None,
        "transcript": call["transcript"],
        "created": call["created"],
        "ended": call.get("ended"),
        "warnings": call["warnings"],
    }


def _new(world: World, sender: str, to: str, direction: str) -> Call:
    return {
        "sid": sid("CA"), "from": sender, "to": to, "direction": direction, "status": "in-progress",
        "state": "running", "created": world.now(), "ended": None, "url": "", "twiml": "", "at": 0, "says": [],
        "transcript": [], "gather": None, "callback": None, "warnings": [], "pending": {},
    }  # fmt: skip


def _keep(world: World, call: Call) -> Call:
    person = call["from"] if call["direction"] == "inbound" else call["to"]
    return world.store.put("call", call["sid"], call, person=person)


def _say(call: Call, who: str, text: str, how: str = "say", language: str = "") -> None:
    item = {"who": who, "text": text, "how": how, "language": language, "at": time.time()}
    call["transcript"].append(item)
    call["says"].append(item)


def _fields(world: World, call: Call) -> dict[str, str]:
    return {
        "CallSid": call["sid"], "AccountSid": world.config.twilio_account_sid, "From": call["from"],
        "To": call["to"], "Caller": call["from"], "Called": call["to"], "CallStatus": call["status"],
        "Direction": call["direction"], "ApiVersion": "2010-04-01", "CallerCountry": "US", "CallerState": "PA",
    }  # fmt: skip


def _fetch(world: World, call: Call, url: str, more: Mapping[str, str], method: str = "POST") -> None:
    """This will ask the hub for the next TwiML, once more when there was no connection."""
    url = urljoin(call["url"] or world.config.hub_public, url).split("#", 1)[0]
    fields = {**_fields(world, call), **more}
    first = not call["transcript"] and not call["url"]
    if first and call["direction"] == "inbound":
        fields["CallStatus"] = "ringing"
    call.update(url=url, at=0)
    address, body = url, b""
    if method.upper() == "GET":
        address = f"{url}{'&' if '?' in url else '?'}{urlencode(sorted(fields.items()))}"
        signature = signing.twilio(world.config.twilio_auth_token, address, [])
    else:
        body = urlencode(sorted(fields.items())).encode()
        signature = signing.twilio(world.config.twilio_auth_token, url, fields.items())
    headers = {
        "X-Twilio-Signature": signature,
        "I-Twilio-Idempotency-Token": sid("")[:32],
        "User-Agent": "TwilioProxy/1.1",
        "Content-Type": "application/x-www-form-urlencoded; charset=UTF-8",
    }
    switch = world.switches.of("twilio")
    if switch["slow_ms"]:
        time.sleep(switch["slow_ms"] / 1000)
    started, status, text = time.monotonic(), 0, ""
    for _ in range(2):
        try:
            response = requests.request(
                method.upper(), world.config.reach(address), data=body, headers=headers, timeout=(5, 15)
            )
            status, text = response.status_code, response.text
            break
        except requests.ConnectionError:
            continue
        except requests.RequestException:
            break
    world.courier.log.append(
        {"vendor": "twilio", "label": "voice", "status": status or None, "attempt": 1,
         "ms": round((time.monotonic() - started) * 1000), "at": time.time()}
    )  # fmt: skip
    if status and 200 <= status < 300:
        call["twiml"] = text or "<Response/>"
        return
    call["warnings"].append({"code": 11200, "message": f"HTTP {status or 'no answer'} from {url}"})
    call["twiml"] = f"<Response><Say>{_APPLICATION_ERROR}</Say><Hangup/></Response>"


def _verbs(call: Call) -> list[ElementTree.Element]:
    try:
        root = ElementTree.fromstring(call["twiml"])  # noqa: S314 - from our own hub; expat refuses entity bombs
    except ElementTree.ParseError as problem:
        call["warnings"].append({"code": 12100, "message": f"Document parse failure: {problem}"})
        return [ElementTree.fromstring(f"<Say>{_APPLICATION_ERROR}</Say>")]  # noqa: S314
    if root.tag != "Response":
        call["warnings"].append({"code": 12102, "message": "Document element must be Response"})
    return list(root)


def _run(world: World, call: Call) -> Call:
    call["state"] = "running"
    for _ in range(_MOST_STEPS):
        verbs = _verbs(call)
        if call["at"] >= len(verbs):
            return _end(world, call)
        verb = verbs[call["at"]]
        call["at"] += 1
        if not _speak(world, call, verb) and _act(world, call, verb):
            return _keep(world, call) if call["state"] != "ended" else call
    call["warnings"].append({"code": 12200, "message": "The call went round in circles"})
    return _end(world, call)


def _speak(world: World, call: Call, verb: ElementTree.Element) -> bool:
    """This will carry out the verbs that only make a sound, and say whether this was one."""
    if verb.tag == "Say":
        text = " ".join("".join(verb.itertext()).split())
        loops = max(1, min(int(verb.get("loop", "1") or 1), 3))
        for _ in range(loops):
            _say(call, "line", text, language=verb.get("language", "en-US"))
        return True
    if verb.tag == "Play":
        _say(call, "line", (verb.text or "").strip() or "…", how="music")
        return True
    if verb.tag == "Pause":
        length = float(verb.get("length", "1") or 1)
        time.sleep(min(length, 1.0) * world.config.pace)
        return True
    return False


def _act(world: World, call: Call, verb: ElementTree.Element) -> bool:
    """This will carry out a verb that does something; True when the call now waits or is over."""
    if verb.tag == "Gather":
        for inner in verb:
            _speak(world, call, inner)
        call["state"] = "gathering"
        call["gather"] = {
            "input": verb.get("input", "dtmf"),
            "action": verb.get("action") or call["url"],
            "method": verb.get("method", "POST"),
            "timeout": float(verb.get("timeout", "5").replace("auto", "5") or 5),
            "num_digits": int(verb.get("numDigits") or 0),
            "finish_on_key": verb.get("finishOnKey", "#"),
            "language": verb.get("language", "en-US"),
            "hints": verb.get("hints", ""),
            "on_empty": verb.get("actionOnEmptyResult", "false").lower() == "true",
        }
        return True
    if verb.tag == "Redirect":
        _fetch(world, call, (verb.text or "").strip(), {}, verb.get("method", "POST"))
        return False
    if verb.tag in ("Dial", "Enqueue"):
        return _connect(world, call, verb)
    if verb.tag == "Record":
        call["state"] = "recording"
        call["pending"] = dict(verb.attrib)
        _say(call, "line", "beep", how="beep")
        return True
    if verb.tag == "Pay":
        call["pay"] = twilio_pay.begin(verb, action=verb.get("action") or call["url"])
        return not _pay_goes_on(world, call, twilio_pay.check(world, call))
    if verb.tag in ("Hangup", "Reject"):
        if verb.tag == "Reject":
            call["status"] = "busy" if verb.get("reason") == "busy" else "no-answer"
        _end(world, call)
        return True
    call["warnings"].append({"code": 12200, "message": f"{verb.tag} is not carried out by this telephone"})
    return False


def _paying(world: World, call: Call, given: Mapping[str, Any]) -> Call:
    keys = str(given.get("digits") or "")
    _say(call, "caller", "•" * len(keys), how="keys" if keys else "silence")
    goes_on = _pay_goes_on(world, call, twilio_pay.typed(world, call, keys))
    return _run(world, call) if goes_on else _keep(world, call)


def _pay_goes_on(world: World, call: Call, ended: Mapping[str, str] | None) -> bool:
    """This will ask for what comes next, or tell the hub how it ended; True when the call goes on."""
    if ended is None or ended.get("Result") == "success":
        for text, language in twilio_pay.prompts(call):
            _say(call, "line", text, language=language)
    if ended is None:
        call["state"] = "paying"
    else:
        _fetch(world, call, call["pay"]["action"], ended)
    return ended is not None


def _connect(world: World, call: Call, verb: ElementTree.Element) -> bool:
    target = " ".join("".join(verb.itertext()).split())
    call["pending"] = {"verb": verb.tag, **verb.attrib, "since": world.now(), "target": target}
    _say(call, "line", target, how="ringing" if verb.tag == "Dial" else "queue")
    if world.switches.of("twilio")["agent_answers"]:
        call["state"] = "with_agent"
        _say(call, "agent", "", how="joined")
        return True
    if verb.tag == "Enqueue":
        call["state"] = "queued"
        return True
    return not _dial_over(world, call, "no-answer")


def _dial_over(world: World, call: Call, status: str) -> bool:
    """This will tell the hub how the transfer went; True when the call goes on."""
    pending, call["pending"] = call["pending"], {}
    action = pending.get("action")
    if not action:
        return True  # without an action, the call goes on with the next verb
    lasted = str(round(world.now() - pending.get("since", world.now())))
    if pending.get("verb") == "Enqueue":
        result = "bridged" if status == "completed" else "hangup"
        more = {"QueueResult": result, "QueueSid": sid("QU"), "QueueTime": lasted}
    else:
        more = {"DialCallStatus": status, "DialCallSid": sid("CA")}
        if status == "completed":
            more["DialCallDuration"] = lasted
    _fetch(world, call, action, more, pending.get("method", "POST"))
    return True


def _gathered(world: World, call: Call, given: Mapping[str, Any]) -> Call:
    gather, call["gather"] = call["gather"], None
    digits = str(given.get("digits") or "") if "dtmf" in gather["input"] else ""
    speech = str(given.get("speech") or "").strip() if "speech" in gather["input"] else ""
    if given.get("digits"):
        _say(call, "caller", str(given["digits"]), how="keys")
    elif given.get("speech"):
        _say(call, "caller", str(given["speech"]))
    else:
        _say(call, "caller", "", how="silence")
    more: dict[str, str] = {}
    if digits:
        stop = gather["finish_on_key"]
        pressed = digits.split(stop, 1)[0] if stop and stop in digits else digits
        more = {"Digits": pressed[: gather["num_digits"]] if gather["num_digits"] else pressed}
        if stop and stop in digits:
            more["FinishedOnKey"] = stop
    elif speech:
        more = {"SpeechResult": speech, "Confidence": str(given.get("confidence", "0.94")),
                "Language": gather["language"]}  # fmt: skip
    if not more and not gather["on_empty"]:
        return _run(world, call)  # silence falls through to the verb after the Gather
    _fetch(world, call, gather["action"], {"msg": "Gather End", **more} if more else {"Digits": ""}, gather["method"])
    return _run(world, call)


def _recorded(world: World, call: Call, given: Mapping[str, Any]) -> Call:
    pending, call["pending"] = call["pending"], {}
    spoken = str(given.get("speech") or "").strip()
    if not spoken and not given.get("digits"):
        _say(call, "caller", "", how="silence")
        return _run(world, call)  # nothing was said: the verb after the Record
    _say(call, "caller", spoken, how="voicemail")
    key = sid("RE")
    account = world.config.twilio_account_sid
    url = f"https://api.twilio.com/2010-04-01/Accounts/{account}/Recordings/{key}"
    lasted = str(max(1, len(spoken.split()) // 2))
    recording = {"RecordingSid": key, "RecordingUrl": url, "RecordingDuration": lasted}
    known = {"CallSid": call["sid"], "AccountSid": account, "From": call["from"], "To": call["to"]}
    if pending.get("recordingStatusCallback"):
        fields = {**known, **recording, "RecordingStatus": "completed", "RecordingChannels": "1"}
        target = urljoin(call["url"], pending["recordingStatusCallback"])
        phones.post_form(world, target, fields, "recording", delay=0.3)
    if pending.get("transcribeCallback") or pending.get("transcribe") == "true":
        target = urljoin(call["url"], pending.get("transcribeCallback") or call["url"])
        fields = {**known, **recording, "TranscriptionSid": sid("TR"), "TranscriptionText": spoken,
                  "TranscriptionStatus": "completed"}  # fmt: skip
        phones.post_form(world, target, fields, "transcription", delay=0.8)
    _fetch(world, call, pending.get("action") or call["url"], {**recording, "Digits": ""})
    return _run(world, call)


def _with_agent(world: World, call: Call, given: Mapping[str, Any]) -> Call:
    if given.get("agent"):
        _say(call, "agent", str(given["agent"]))
    if given.get("speech"):
        _say(call, "caller", str(given["speech"]))
    if given.get("agent_hangup"):
        _say(call, "agent", "", how="left")
        _dial_over(world, call, "completed")
        return _run(world, call)
    return _keep(world, call)


def _end(world: World, call: Call) -> Call:
    talking = call["state"] in ("with_agent", "queued")
    if talking and call["pending"].get("action"):
        pending = dict(call["pending"])
        call["status"] = "completed"
        kept = call["twiml"], call["at"]
        _dial_over(world, call, "completed" if call["state"] == "with_agent" else "canceled")
        call["twiml"], call["at"] = kept  # the caller is gone: nobody hears the answer
        call["pending"] = pending
    if call["status"] in ("in-progress", "ringing"):
        call["status"] = "completed" if call["state"] != "ringing" else "no-answer"
    call.update(state="ended", ended=world.now(), gather=None, pending={})
    _say(call, "line", "", how="ended")
    _keep(world, call)
    if call["callback"]:
        lasted = str(max(1, round(call["ended"] - call["created"])))
        fields = {**_fields(world, call), "CallDuration": lasted, "Duration": "1", "SequenceNumber": "0",
                  "CallbackSource": "call-progress-events"}  # fmt: skip
        phones.post_form(world, call["callback"], fields, f"call {call['status']}", delay=0.1)
    return call
