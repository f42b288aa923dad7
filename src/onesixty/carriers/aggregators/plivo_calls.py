"""What Plivo tells by HTTP: forms with delivery states, and messages from handsets."""

import hmac
import re
from base64 import b64encode
from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qs, urlsplit

from onesixty.carriers.content import CHANNELS, SMS, Media
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
from onesixty.carriers.http import calls
from onesixty.kit import ids

STATES: Final = {
    "queued": ReceiptState.ENROUTE,
    "sent": ReceiptState.ENROUTE,
    "delivered": ReceiptState.DELIVERED,
    "read": ReceiptState.READ,
    "undelivered": ReceiptState.UNDELIVERABLE,
    "failed": ReceiptState.UNDELIVERABLE,
    "rejected": ReceiptState.REJECTED,
}
# Whose fault the code of a failed message is.
FAULTS: Final = calls.faults(
    recipient="50 70 200", content="10 30 110", config="40 90 100 450 451 900", carrier="20 80"
)
EXPIRED_CODES: Final = ("120", "420")  # of an undelivered or failed message
CURRENCY: Final = "USD"  # in which Plivo bills; callbacks do not say it
_NO_ERRORS: Final = ("", "0", "000")
_PART: Final = re.compile(r"(\d{1,3}) of (\d{1,3})")
_V2: Final = "x-plivo-signature-v2"
_V3: Final = "x-plivo-signature-v3"


class PlivoCalls:
    """Told apart by their fields, whichever of our URLs is called."""

    def __init__(self, config: CarrierConfig) -> None:
        self._config = config
        self._token: bytes = config.settings["auth_token"].encode()

    async def read(self, call: Call) -> News:
        """Check the signature, then read."""
        self._check(call)
        fields = calls.query_of(call) if call.method == "GET" else calls.form_of(call)
        if "Status" in fields:
            return News(receipts=[self._receipt(call, fields)])
        if "MessageUUID" in fields and "From" in fields:
            return News(inbounds=[self._inbound(call, fields)])
        return News()

    def _check(self, call: Call) -> None:
        if _V3 in call.headers:
            given, signed = call.headers[_V3], _signed_v3(call)
        else:
            given, signed = call.headers.get(_V2, ""), _signed_v2(call)
        wanted = b64encode(hmac.digest(self._token, signed, "sha256"))
        # V3 has one for each token of the account.
        if not any(hmac.compare_digest(one.strip().encode(), wanted) for one in given.split(",")):
            raise CallRefusedError("the signature of Plivo is missing or wrong")

    def _receipt(self, call: Call, fields: Mapping[str, str]) -> Receipt:
        identifier, word = fields.get("MessageUUID", ""), fields["Status"]
        code = fields.get("ErrorCode", "")
        state = STATES.get(word.lower(), ReceiptState.NONE)
        if state is ReceiptState.UNDELIVERABLE and code in EXPIRED_CODES:
            state = ReceiptState.EXPIRED
        return calls.receipt(
            self._config,
            call,
            identifier,
            state,
            match_keys=_keys(fields),
            word=calls.words(word),
            error="" if code in _NO_ERRORS else calls.words(code),
            error_class=FAULTS.get(code, ""),
            sender=calls.e164(fields.get("To")),
            recipient=calls.e164(fields.get("From")),
            message_id=ids.from_hex(calls.query_of(call).get("message_id")),
            price=_price(fields),
            network=_network(fields),
        )

    def _inbound(self, call: Call, fields: Mapping[str, str]) -> Inbound:
        kind = fields.get("Type", "").lower()
        urls = (url for name, url in fields.items() if re.fullmatch(r"Media\d+", name) and url)
        return calls.inbound(
            self._config,
            call,
            calls.words(fields["MessageUUID"]),
            calls.text_fragment(fields.get("Text", "")),
            sender=calls.e164(fields["From"]),
            recipient=calls.e164(fields.get("To")),
            channel=kind if kind in CHANNELS else SMS,
            content=calls.media_content(Media(calls.words(url)) for url in urls),
        )


def _signed_v2(call: Call) -> bytes:
    """URL without its query, and nonce: neither query nor body is protected."""
    return (call.url.partition("?")[0] + call.headers.get(f"{_V2}-nonce", "")).encode()


def _signed_v3(call: Call) -> bytes:
    """URL with its query sorted, sorted fields of the form, and nonce."""
    parts = urlsplit(call.url)
    try:
        query = _sorted(parts.query, "=", "&")
        posted = "" if call.method == "GET" else _sorted(call.body.decode(), "", "")
    except ValueError:  # no UTF-8, or too many fields
        raise CallRefusedError("the form cannot be read", 400) from None
    text = f"{parts.scheme}://{parts.netloc}{parts.path}"
    if query or posted:
        text += f"?{query}"
    if query and posted:
        text += "."
    return f"{text}{posted}.{call.headers.get(f'{_V3}-nonce', '')}".encode()


def _sorted(text: str, between: str, joined: str) -> str:
    """Names with their decoded values, by name and then by value."""
    fields = parse_qs(text, keep_blank_values=True, max_num_fields=calls.FIELDS_MOST)
    return joined.join(
        f"{name}{between}{value}" for name in sorted(fields) for value in sorted(fields[name])
    )


def _part(fields: Mapping[str, str]) -> tuple[int, int]:
    """Number of the part and of all parts: PartInfo is such as "1 of 2"."""
    found = _PART.fullmatch(fields.get("PartInfo", "").strip())
    return (int(found[1]), int(found[2])) if found else (1, 1)


def _keys(fields: Mapping[str, str]) -> tuple[str, ...]:
    part, total = _part(fields)
    identifier = calls.words(fields.get("MessageUUID"))
    if total == 1:
        return (identifier,) if identifier else ()
    # The answer to the submit named the parent alone.
    parent = calls.words(fields.get("ParentMessageUUID")) or identifier
    return (f"{parent}/{part}",)


def _price(fields: Mapping[str, str]) -> Price | None:
    # An amount for more than one unit is that of the whole message, and stands at every part.
    if _part(fields)[0] > 1 and fields.get("Units") != "1":
        return None
    return Price.of(fields.get("TotalAmount"), CURRENCY)


def _network(fields: Mapping[str, str]) -> str:
    country, network = fields.get("MCC", ""), fields.get("MNC", "")
    return calls.network(country + network.zfill(2)) if len(country) == 3 else ""
