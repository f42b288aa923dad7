"""What calls tell, made so that it can be stored: one value that no column takes would hold up all
that is written with it, again and again.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from onesixty.carriers.content import CHANNELS, SMS, from_json
from onesixty.carriers.contract import Inbound, Price, Receipt
from onesixty.sms.reassembly import Fragment

RAW_MOST: Final = 65_536  # characters that are kept of a receipt
# Characters of an id or an address: longer ones fit into no index, and none of ours has so many.
TEXT_MOST: Final = 500
DEPTH_MOST: Final = 50  # of JSON
PARTS_MOST: Final = 255
_LARGEST: Final = 2**53  # whole number of JSON that every reader keeps exact
_CURRENCY_MOST: Final = 8
_TEXTS: Final = ("carrier_message_id", "error", "sender", "recipient", "text", "word", "network")


def receipt(one: Receipt) -> Receipt:
    """A receipt; it matches by no key that is too long, and has no price that is none."""
    texts: dict[str, Any] = {name: text(getattr(one, name))[:TEXT_MOST] for name in _TEXTS}
    keys = tuple(key for key in map(text, one.match_keys) if len(key) <= TEXT_MOST)
    price = one.price if one.price and _is_price(one.price) else None
    return replace(one, **texts, raw=text(one.raw)[:RAW_MOST], match_keys=keys, price=price)


def inbound(one: Inbound) -> Inbound:
    """A message from a handset; numbers of parts that cannot be make it a message of its own."""
    name = text(one.carrier_message_id)
    return replace(
        one,
        sender=text(one.sender)[:TEXT_MOST],
        recipient=text(one.recipient)[:TEXT_MOST],
        carrier_message_id=name if len(name) <= TEXT_MOST else "",  # its repeats are not known
        fragment=one.fragment if _is_part(one.fragment) else _whole(one.fragment),
        channel=one.channel if one.channel in CHANNELS else SMS,
        content=one.content and from_json(json(one.content.to_json())),
        opt_out=text(one.opt_out)[:TEXT_MOST],
    )


def text(given: str) -> str:
    """Without U+0000 and half characters, which no text of PostgreSQL has."""
    return given.replace("\0", "").encode("utf-8", "replace").decode()


def json(value: Any, depth: int = 0) -> Any:
    """JSON of whatever depth and size of numbers, as PostgreSQL takes it."""
    if isinstance(value, str):
        return text(value)
    if isinstance(value, Mapping | list | tuple) and depth >= DEPTH_MOST:
        return None
    if isinstance(value, Mapping):
        return {text(str(name)): json(one, depth + 1) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [json(one, depth + 1) for one in value]
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, int) and abs(value) <= _LARGEST:
        return value
    return text(str(value))[:TEXT_MOST]


def _is_price(price: Price) -> bool:
    return 0 <= price.micros < 2**63 and text(price.currency)[:_CURRENCY_MOST] == price.currency


def _is_part(part: Fragment) -> bool:
    return (
        1 <= part.sequence <= part.total <= PARTS_MOST
        and 0 <= part.reference < 2**31
        and all(0 <= one <= PARTS_MOST for one in (part.reference_bits, part.locking, part.single))
    )


def _whole(part: Fragment) -> Fragment:
    return Fragment(part.encoding, part.octets)
