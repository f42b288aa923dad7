"""What Vonage's SMS API tells by HTTP: a receipt for each part, messages from handsets in parts.

Each account chooses GET, a form or JSON, and whether and how they are signed.
"""

import hmac
from collections.abc import Mapping
from hashlib import md5
from typing import Any, Final

from onesixty.carriers.contract import (
    Call,
    CallRefusedError,
    CarrierConfig,
    Inbound,
    News,
    Price,
    Receipt,
    ReceiptState,
)
from onesixty.carriers.http.calls import (
    check_fresh,
    e164,
    faults,
    form_of,
    inbound,
    json_of,
    object_of,
    query_of,
    receipt,
    text_fragment,
    words,
)
from onesixty.kit import ids
from onesixty.sms import udh
from onesixty.sms.alphabet import Encoding
from onesixty.sms.form import Form
from onesixty.sms.reassembly import Fragment, fragment

METHODS: Final = ("md5hash", "md5", "sha1", "sha256", "sha512")
# Other words are kept and change nothing.
# Whose fault it is, by `err-code`.
FAULTS: Final = faults(
    recipient="3 4 9 12 13 14 15", content="6 10", config="5 11", carrier="1 2 7 8 99"
)
_STATES: Final = {
    "accepted": ReceiptState.ACCEPTED,
    "buffered": ReceiptState.ACCEPTED,
    "delivered": ReceiptState.DELIVERED,
    "expired": ReceiptState.EXPIRED,
    "failed": ReceiptState.UNDELIVERABLE,
    "rejected": ReceiptState.REJECTED,
    "unknown": ReceiptState.UNKNOWN,
}
_PARTS_MOST: Final = 255


class VonageSmsCalls:
    """Reads receipts and inbound messages, however the account has them sent."""

    def __init__(self, config: CarrierConfig) -> None:
        self._config, self._s = config, config.settings

    async def read(self, call: Call) -> News:
        """Check the signature, where the settings have its secret, then read."""
        given = _parameters(call)
        if call.method == "GET" and not given:
            return News()  # Vonage tries a URL so when it is saved
        if self._s["signature_secret"]:
            self._verify(given)
        given = {name: words(value) for name, value in given.items()}
        if call.path == "status":
            return News([self._receipt(call, given)])
        if call.path == "inbound":
            return News(inbounds=[self._inbound(call, given)])
        raise CallRefusedError("no such path", 404)

    def _verify(self, given: Mapping[str, str]) -> None:
        told = given.get("sig", "").lower().encode()
        wanted = signature(given, self._s["signature_secret"], self._s["signature_method"])
        if not hmac.compare_digest(told, wanted.encode()):
            raise CallRefusedError("the signature is wrong" if told else "it is not signed")
        check_fresh(given.get("timestamp", ""), self._config.clock)

    def _receipt(self, call: Call, given: Mapping[str, str]) -> Receipt:
        name, word = given.get("messageId", ""), given.get("status", "")
        if not name or not word:
            raise CallRefusedError("messageId or status is missing", 400)
        code = given.get("err-code", "").lstrip("0")
        made = receipt(
            self._config,
            call,
            name,
            _STATES.get(word, ReceiptState.NONE),
            error=code,
            error_class=FAULTS.get(code, ""),
            sender=e164(given.get("msisdn")),
            recipient=e164(given.get("to")),
            word=word,
            done_date=given.get("scts", ""),
            message_id=ids.from_hex(given.get("client-ref")),
            price=Price.of(given.get("price"), "EUR"),
            network=given.get("network-code", ""),
        )
        if call.method == "GET":
            made.raw = call.query
        return made

    def _inbound(self, call: Call, given: Mapping[str, str]) -> Inbound:
        name, sender = given.get("messageId", ""), e164(given.get("msisdn"))
        if not name or not sender:
            raise CallRefusedError("messageId or msisdn is missing", 400)
        part, form = _read(given)
        return inbound(
            self._config,
            call,
            name,
            part,
            sender=sender,
            recipient=e164(given.get("to")),
            form=form,
        )


def signature(given: Mapping[str, str], secret: str, method: str) -> str:
    """What `sig` says of all other parameters, in lower case hex digits."""
    text = "".join(
        f"&{name}={value.replace('&', '_').replace('=', '_')}"
        for name, value in sorted(given.items())
        if name != "sig"
    )
    if method == "md5hash":  # Vonage's default, and no choice of ours
        return md5((text + secret).encode(), usedforsecurity=False).hexdigest()
    return hmac.new(secret.encode(), text.encode(), method).hexdigest()


def _parameters(call: Call) -> dict[str, str]:
    """As they came; names and values."""
    kind = call.headers.get("content-type", "").partition(";")[0].strip().lower()
    if call.method == "GET":
        return query_of(call)
    if kind != "application/json":
        return form_of(call)
    given: Mapping[str, Any] = object_of(json_of(call))
    return {name: "" if value is None else str(value) for name, value in given.items()}


def _read(given: Mapping[str, str]) -> tuple[Fragment, Form | None]:
    """Text, a part of a text, or binary data with its header."""
    if given.get("type") == "binary":
        try:
            header, data = (bytes.fromhex(given.get(name, "")) for name in ("udh", "data"))
        except ValueError:
            raise CallRefusedError("udh or data is not hexadecimal", 400) from None
        part = fragment(header + data, Encoding.BINARY, udhi=bool(header))
        return part, Form(udh=udh.build(part.elements)) if part.elements else None
    part = text_fragment(given.get("text", ""))
    numbers = [given.get(f"concat-{name}", "") for name in ("ref", "total", "part")]
    if given.get("concat", "").lower() != "true" or not all(_is_number(one) for one in numbers):
        return part, None
    reference, total, sequence = (int(one) for one in numbers)
    if not 1 <= sequence <= total <= _PARTS_MOST:
        return part, None
    return Fragment(part.encoding, part.octets, reference & 0xFFFF, 16, total, sequence), None


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 10
