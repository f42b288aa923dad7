"""Vonage SMS API, the older one: a form for each message, an id for each of its parts.

Its answer has status 200 even when nothing was sent, and may say that only some parts were.
"""

import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final
from urllib.parse import urlencode

from onesixty.carriers.aggregators import vonage_codes
from onesixty.carriers.aggregators.vonage_sms_calls import METHODS, VonageSmsCalls, signature
from onesixty.carriers.contract import (
    CarrierConfig,
    CarrierSpec,
    OutcomeKind,
    Price,
    SettingField,
    Submission,
)
from onesixty.carriers.http.calls import objects, words
from onesixty.carriers.http.carrier import HttpCarrier
from onesixty.carriers.http.dialect import (
    Answer,
    Ask,
    Request,
    Verdict,
    accepted,
    by_status,
    config,
    throttled,
    unknown,
)
from onesixty.carriers.http.settings import FIELDS
from onesixty.sms.alphabet import Encoding, encodable

CURRENCY: Final = "EUR"  # in which every account is billed
CALLBACK_MOST: Final = 100
_TTL_MILLIS: Final = (20_000, 604_800_000)
_WAIT: Final = re.compile(r"\[ *(\d+) *\]")  # milliseconds, in the words of status 1
_CREDENTIALS: Final = ("4", "8", "14", "32")  # statuses that tell of them, not of the message


class VonageSmsDialect:
    """Requests and answers of `POST /sms/json`."""

    def __init__(self, config: CarrierConfig, ask: Ask) -> None:
        self._s, self._clock, self._ask = config.settings, config.clock, ask
        self._base = self._s["base_url"].rstrip("/")
        # A longer one is not taken: the account's own setting has to name it then.
        url = (config.callback_url or "") + "/status"
        self._status_url = url if config.callback_url and len(url) <= CALLBACK_MOST else None

    async def request(self, one: Submission) -> Request:
        """One POST of a form. ValueError for what goes out in several parts and is no text."""
        if not one.sender:
            raise ValueError("Vonage needs a sender")
        left = int((one.expires_at - self._clock.now()).total_seconds() * 1000)
        fields = {
            "from": one.sender.removeprefix("+"),
            "to": one.recipient.removeprefix("+"),
            **_text(one),
            "ttl": str(min(max(left, _TTL_MILLIS[0]), _TTL_MILLIS[1])),
            "client-ref": one.message_id.hex,
        }
        if self._status_url:
            fields["callback"] = self._status_url
        return self._request(fields)

    def read(self, one: Submission, answer: Answer) -> Verdict:
        """One item for each part; all must be taken, or all refused, for anything to be certain."""
        body = answer.json()
        parts = objects(body.get("messages")) if isinstance(body, dict) else []
        if answer.status != 200 or not parts:
            return by_status(answer, clock=self._clock, is_theirs=False)
        failed = [part for part in parts if words(part.get("status")) != "0"]
        if len(failed) == len(parts):
            return _refused(failed[0])
        names = tuple("" if part in failed else words(part.get("message-id")) for part in parts)
        if failed:
            code = words(failed[0].get("status"))
            text = f"{len(failed)} of {len(parts)} parts: {words(failed[0].get('error-text'))}"
            return Verdict(OutcomeKind.UNKNOWN, "no_answer", "carrier", text, code, part_ids=names)
        if not all(names):
            return unknown("", "it was taken without an id")
        return accepted(names[0], part_ids=names, price=_price(parts))

    async def check(self) -> str | None:
        """Read the balance; an account without a secret has an empty message refused instead."""
        if self._s["api_secret"]:
            answer = await self._ask(
                Request("GET", f"{self._base}/account/get-balance", self._headers())
            )
            return None if answer.status == 200 else f"HTTP {answer.status}: wrong key or secret"
        answer = await self._ask(self._request({}))
        body = answer.json()
        parts = objects(body.get("messages")) if isinstance(body, dict) else []
        if answer.status != 200 or not parts:
            return f"HTTP {answer.status}"
        told = words(parts[0].get("error-text")) or "the credentials are refused"
        return told if words(parts[0].get("status")) in _CREDENTIALS else None

    def _request(self, fields: Mapping[str, str]) -> Request:
        headers = {**self._headers(), "Content-Type": "application/x-www-form-urlencoded"}
        if not self._s["api_secret"]:
            stamp = str(int(self._clock.now().timestamp()))
            fields = {**fields, "api_key": self._s["api_key"], "timestamp": stamp}
            secret, method = self._s["signature_secret"], self._s["signature_method"]
            fields["sig"] = signature(fields, secret, method)
        return Request("POST", f"{self._base}/sms/json", headers, urlencode(fields).encode())

    def _headers(self) -> dict[str, str]:
        headers = {"Accept": "application/json"}
        if self._s["api_secret"]:
            pair = f"{self._s['api_key']}:{self._s['api_secret']}"
            headers["Authorization"] = "Basic " + b64encode(pair.encode()).decode()
        return headers


def _text(one: Submission) -> dict[str, str]:
    """Text, or binary data of a single part. Vonage would send ? for what is not in GSM-7."""
    form = one.form
    if one.content:
        raise ValueError("an SMS is text alone at Vonage")
    if form and form.data is not None:
        if one.encoding != Encoding.BINARY or one.segments > 1:
            raise ValueError("Vonage takes binary data of one part only")
        told = {"type": "binary", "body": form.data.hex(), "udh": form.udh.hex()}
        return {**told, "protocol-id": str(form.protocol_id)}
    if form and (form.udh or form.protocol_id):
        raise ValueError("Vonage takes a header or a protocol identifier with binary data only")
    is_gsm = one.encoding != Encoding.UCS2 and encodable(one.body)
    told = {"text": one.body, "type": "text" if is_gsm else "unicode"}
    if form and form.message_class is not None:
        told["message-class"] = str(form.message_class)
    return told


def _refused(part: Mapping[str, Any]) -> Verdict:
    code, detail = words(part.get("status")), words(part.get("error-text"))
    maker = vonage_codes.SMS.get(code, config)
    if maker is throttled:
        wait = _WAIT.search(detail)
        return throttled(code, detail, int(wait[1][:7]) / 1000 if wait else None)
    return maker(code, detail)


def _price(parts: Sequence[Mapping[str, Any]]) -> Price | None:
    """Of the whole message, where every part tells its own."""
    prices = [Price.of(part.get("message-price"), CURRENCY) for part in parts]
    known = [price.micros for price in prices if price]
    return Price(sum(known), CURRENCY) if len(known) == len(parts) else None


def _build(config: CarrierConfig) -> HttpCarrier:
    """A carrier, or ValueError for settings with which Vonage cannot be called."""
    if not config.settings["api_secret"] and not config.settings["signature_secret"]:
        raise ValueError("api_secret is missing, or a signature_secret to sign requests with")
    return HttpCarrier(config, partial(VonageSmsDialect, config))


SPEC: Final = CarrierSpec(
    kind="vonage_sms",
    title="Vonage SMS API",
    fields=(
        SettingField("api_key", "text", "API key of the account", required=True, at_most=100),
        SettingField("api_secret", "secret", "API secret; without it requests are signed",
                     default="", at_most=200),
        SettingField("signature_secret", "secret", "Signature secret of the account; with it"
                     " callbacks must be signed", default="", at_most=200),
        SettingField("signature_method", "choice", "How the account signs", default="md5hash",
                     choices=tuple(METHODS)),
        SettingField("base_url", "text", "Where the API is", default="https://rest.nexmo.com",
                     at_most=200),
        *FIELDS,
    ),
    build=_build,
    receives=("receipts", "inbound"),
    account=("api_key",),
    calls=VonageSmsCalls,
    callbacks={
        "inbound": "messages from handsets: inbound SMS webhook of the account or the number",
        "status": "delivery receipts: delivery receipts webhook of the account",
    },
    guide="vonage",
)  # fmt: skip
