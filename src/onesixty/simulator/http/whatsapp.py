"""Meta's WhatsApp Cloud API as a business sees it: messages, statuses, files, templates."""

import hashlib
import hmac
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, ClassVar, Final
from urllib.parse import parse_qs

import orjson

from onesixty.kit import ids
from onesixty.kit.clock import Clock
from onesixty.simulator.http.far_side import (
    CallbackRequest,
    Incoming,
    Refusal,
    Response,
    Submitted,
    json_response,
)
from onesixty.simulator.numbers import State

WINDOW: Final = timedelta(hours=24)
_REFUSALS: Final = {
    Refusal.RECIPIENT: (400, 131026, "Message undeliverable"),
    Refusal.OPTED_OUT: (400, 131050, "User has stopped marketing messages"),
    Refusal.SENDER: (400, 133010, "Phone number not registered"),
    Refusal.CREDENTIALS: (401, 190, "Invalid OAuth access token"),
    Refusal.THROTTLED: (429, 130429, "Rate limit hit"),
    Refusal.INTERNAL: (500, 131000, "Something went wrong"),
}
_STATES: Final = {
    State.ACCEPTED: "sent",
    State.ENROUTE: "sent",
    State.DELIVERED: "delivered",
    State.READ: "read",
    State.UNDELIVERED: "failed",
}
_ERRORS: Final = {
    "003": (131026, "Message undeliverable"),
    "005": (131026, "Message undeliverable"),
    "006": (131026, "Message undeliverable"),
    "007": (131049, "Not delivered to maintain healthy ecosystem engagement"),
    "034": (131047, "Re-engagement message"),
    "450": (131056, "Pair rate limit hit"),
}
_OTHER_ERROR: Final = (131000, "Something went wrong")
TEMPLATES: Final = (
    ("order_update", "en_US", "UTILITY", "APPROVED", "Hi {{1}}, order {{2}} is on its way."),
    ("login_code", "en_US", "AUTHENTICATION", "APPROVED", "{{1}} is your code."),
    ("spring_sale", "en_US", "MARKETING", "PAUSED", "20 % off, {{1}}!"),
)
_PIXEL: Final = bytes.fromhex("ffd8ffe000104a46494600010100000100010000ffd9")  # begins like a JPEG


class WhatsAppFarSide:
    """One phone number of one business."""

    name: ClassVar[str] = "whatsapp"
    credentials: ClassVar[Mapping[str, Any]] = {
        "phone_number_id": "106540352242922",
        "waba_id": "102290129340398",
        "access_token": "EAAsimulatedtoken",
        "app_secret": "simulated-app-secret",
        "verify_token": "simulated-verify-token",
        "pair_seconds": 0,
    }

    def __init__(self, clock: Clock, settings: Mapping[str, Any] | None = None) -> None:
        self._clock, self._settings = clock, settings or self.credentials
        self.enforces_window = False  # outside of it only templates are taken
        self._wrote: dict[str, Any] = {}  # when each person wrote last

    def take(self, request: Incoming) -> Submitted | Response:
        """A message, or a look at the number, its templates or a file."""
        if request.headers.get("authorization") != f"Bearer {self._settings['access_token']}":
            return _error(401, 190, "Invalid OAuth access token")
        path = request.path.strip("/").split("/")
        number = self._settings["phone_number_id"]
        if path[:1] == ["files"]:
            return Response(200, _PIXEL, "image/jpeg")
        if not self._proved(request):
            return _error(400, 100, "Invalid appsecret_proof provided in the API argument")
        match path[1:]:
            case [owner, "messages"] if owner == number and request.method == "POST":
                return self._message(request.body)
            case [owner] if owner == number:
                return json_response(200, {"id": number, "display_phone_number": "+1 555-078-3881"})
            case [owner, "message_templates"] if owner == self._settings.get("waba_id"):
                return _templates()
            case [media] if media.startswith("media"):
                host = request.headers.get("host", "")
                place = f"http://{host}/files/{media}"
                return json_response(200, {"id": media, "url": place, "mime_type": "image/jpeg"})
        return _error(404, 100, "Unsupported request")

    def accepted(self, one: Submitted) -> Response:
        """The message's id, and the person's."""
        person = one.recipient.removeprefix("+")
        message = {"id": one.id} | (
            {"message_status": "accepted"} if "template" in one.extra else {}
        )
        told = {
            "messaging_product": "whatsapp",
            "contacts": [{"input": person, "wa_id": person}],
            "messages": [message],
        }
        return json_response(200, told)

    def refused(self, one: Submitted, why: Refusal, retry_after: int | None = None) -> Response:
        """An error with a code."""
        status, code, text = _REFUSALS[why]
        headers = {} if retry_after is None else {"retry_after": str(retry_after)}
        return _error(status, code, text, **headers)

    def receipt(
        self, one: Submitted, state: State, error: str, account_url: str
    ) -> CallbackRequest | None:
        """A status."""
        status: dict[str, Any] = {
            "id": one.id,
            "status": _STATES[state],
            "timestamp": self._timestamp(),
            "recipient_id": one.recipient.removeprefix("+"),
        }
        if one.reference:
            status["biz_opaque_callback_data"] = one.reference
        if state is State.UNDELIVERED:
            code, text = _ERRORS.get(error, _OTHER_ERROR)
            status["errors"] = [{"code": code, "title": text, "error_data": {"details": text}}]
        elif state is State.DELIVERED:
            status["pricing"] = {"billable": True, "pricing_model": "PMP", "category": "utility"}
        return self._call(account_url, {"statuses": [status]})

    def inbound(
        self, sender: str, recipient: str, text: str, account_url: str
    ) -> list[CallbackRequest]:
        """A text of a person; the window for answers is open from now on."""
        return [self.say(sender, {"type": "text", "text": {"body": text}}, account_url)]

    def say(self, sender: str, message: Mapping[str, Any], account_url: str) -> CallbackRequest:
        """A message of any type, such as `{"type": "image", "image": {...}}`."""
        person = sender.removeprefix("+")
        self._wrote[person] = self._clock.now()
        whole = {
            "from": person,
            "id": f"wamid.{ids.uuid7().hex}",
            "timestamp": self._timestamp(),
            **message,
        }
        contacts = [{"profile": {"name": "Ana"}, "wa_id": person}]
        return self._call(account_url, {"contacts": contacts, "messages": [whole]})

    def news(self, field: str, value: Mapping[str, Any], account_url: str) -> CallbackRequest:
        """A change of another field, such as `message_template_status_update`."""
        return self._signed(account_url, field, value)

    def challenge(self, account_url: str, token: str | None = None) -> CallbackRequest:
        """What is asked when the URL is set up: to be answered by `1158201444`."""
        given = self._settings["verify_token"] if token is None else token
        query = f"hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token={given}"
        return CallbackRequest("GET", f"{account_url}?{query}", {}, b"")

    def _message(self, body: bytes) -> Submitted | Response:
        try:
            told = orjson.loads(body)
        except orjson.JSONDecodeError:
            return _error(400, 100, "Invalid parameter")
        kind, person = told.get("type", "text"), str(told.get("to", "")).removeprefix("+")
        if told.get("messaging_product") != "whatsapp" or not person.isdecimal():
            return _error(400, 100, "Invalid parameter", details="to or messaging_product")
        if not isinstance(told.get(kind), dict):
            return _error(400, 131008, "Required parameter is missing", details=kind)
        if kind == "template" and (wrong := _wrong_template(told["template"])):
            return wrong
        if kind != "template" and self.enforces_window and not self._is_open(person):
            details = "Message failed to send because more than 24 hours have passed"
            return _error(400, 131047, "Re-engagement message", details=details)
        return Submitted(
            id=f"wamid.{ids.uuid7().hex}",
            sender=self._settings["phone_number_id"],
            recipient=f"+{person}",
            text=told[kind].get("body") or told[kind].get("caption") or "",
            channel="whatsapp",
            reference=told.get("biz_opaque_callback_data", ""),
            extra=told,
        )

    def _is_open(self, person: str) -> bool:
        wrote = self._wrote.get(person)
        return wrote is not None and self._clock.now() - wrote < WINDOW

    def _proved(self, request: Incoming) -> bool:
        secret = self._settings.get("app_secret")
        given = parse_qs(request.query).get("appsecret_proof", [""])[0]
        if not secret or not given:
            return not given
        token = self._settings["access_token"].encode()
        return hmac.compare_digest(
            given, hmac.new(secret.encode(), token, hashlib.sha256).hexdigest()
        )

    def _call(self, url: str, value: Mapping[str, Any]) -> CallbackRequest:
        metadata = {
            "display_phone_number": "15550783881",
            "phone_number_id": self._settings["phone_number_id"],
        }
        whole = {"messaging_product": "whatsapp", "metadata": metadata, **value}
        return self._signed(url, "messages", whole)

    def _signed(self, url: str, field: str, value: Mapping[str, Any]) -> CallbackRequest:
        entry = {
            "id": self._settings.get("waba_id"),
            "changes": [{"field": field, "value": value}],
        }
        body = orjson.dumps({"object": "whatsapp_business_account", "entry": [entry]})
        digest = hmac.new(self._settings["app_secret"].encode(), body, hashlib.sha256).hexdigest()
        headers = {"content-type": "application/json", "x-hub-signature-256": f"sha256={digest}"}
        return CallbackRequest("POST", url, headers, body)

    def _timestamp(self) -> str:
        return str(int(self._clock.now().timestamp()))


def _wrong_template(given: Mapping[str, Any]) -> Response | None:
    language = given.get("language")
    code = language.get("code") if isinstance(language, dict) else None
    known = next((one for one in TEMPLATES if one[:2] == (given.get("name"), code)), None)
    if known is None:
        return _error(404, 132001, "Template name does not exist in the translation")
    if known[3] != "APPROVED":
        return _error(400, 132015, "Template is paused")
    bodies = [one for one in given.get("components", ()) if one.get("type") == "body"]
    filled = len(bodies[0].get("parameters", ())) if bodies else 0
    if filled != known[4].count("{{"):
        return _error(400, 132000, "Number of parameters does not match the expected number")
    return None


def _templates() -> Response:
    listed = [
        {
            "id": str(number),
            "name": name,
            "language": language,
            "category": category,
            "status": status,
            "components": [{"type": "BODY", "text": text}],
        }
        for number, (name, language, category, status, text) in enumerate(TEMPLATES, 1)
    ]
    return json_response(200, {"data": listed, "paging": {"cursors": {"after": "MjQZD"}}})


def _error(status: int, code: int, text: str, *, details: str = "", **headers: str) -> Response:
    error: dict[str, Any] = {
        "message": f"(#{code}) {text}",
        "type": "OAuthException",
        "code": code,
        "is_transient": False,
        "fbtrace_id": "AsimulatedTrace",
    }
    if details:
        error["error_data"] = {"messaging_product": "whatsapp", "details": details}
    return json_response(status, {"error": error}, **headers)
