"""Kannel as our customer: what its users send goes out; receipts and messages come back to them."""

import contextlib
from collections import defaultdict
from typing import Any, Final

from . import kannel
from .corpus import is_gsm, mixed
from .customer_side import MO_NUMBER, PASSWORD, numbered, served, taken_otherwise
from .live import MissingPeerError

_DELIVERED, _FAILED = 1, 2
# Numbers that the simulated SMSC does not deliver to, and what Kannel is to be told.
_FATES: Final = {"15005550103": _FAILED, "15005550106": _FAILED, "15005550117": _FAILED}
_FINAL: Final = {_DELIVERED, _FAILED}


async def kannel_esme(count: int) -> list[str]:
    """Kannel as a client; what differs."""
    if not kannel.INSTALLED:
        raise MissingPeerError("Kannel")
    async with served() as (server, smsc):
        await server.esme("kannel", PASSWORD)
        async with kannel.kannel(server.smpp_port, "kannel", PASSWORD) as box:
            sent = numbered("4917", mixed(count))
            for to, text in sent.items():
                await box.send(f"+{to}", text, to, gsm=is_gsm(text))
            for to in _FATES:
                await box.send(f"+{to}", "never", to, gsm=True)
            differences = await _receipts(box, sent)
            differences += taken_otherwise(smsc, sent)
            messages = await server.settled(count + len(_FATES))
            differences += _ids(box, messages)
            told = numbered("4916", mixed(count, seed=2))
            for source, text in told.items():
                smsc.receive_from(f"+{source}", MO_NUMBER, text)
            differences += await _messages(box, told)
    return differences


async def _receipts(box: kannel.Kannel, sent: dict[str, str]) -> list[str]:
    expected = dict.fromkeys(sent, _DELIVERED) | _FATES

    def are_all_final() -> bool:
        return all(_FINAL & set(box.receipts.get(to, ())) for to in expected)

    with contextlib.suppress(TimeoutError):  # those without one are told below
        await box.until(are_all_final)
    return [
        f"receipts for {to}: {box.receipts.get(to)}"
        for to, kind in expected.items()
        if [one for one in box.receipts.get(to, ()) if one in _FINAL] != [kind]
    ]


def _ids(box: kannel.Kannel, messages: list[dict[str, Any]]) -> list[str]:
    """The ids that Kannel was told are those of its messages, which we show in base 32.

    Of a long message, whose parts are messages here, it tells of one.
    """
    ids: dict[str, set[str]] = defaultdict(set)
    for one in messages:
        ids[one["to"].removeprefix("+")].add(_hexadecimal(one["id"]))
    return [
        f"ids of {to}: {told} and {ids[to]}"
        for to, told in box.ids.items()
        if not (told and told <= ids[to])
    ]


def _hexadecimal(name: str) -> str:
    number = 0
    for digit in name.removeprefix("msg_"):
        number = number * 32 + "0123456789abcdefghjkmnpqrstvwxyz".index(digit)
    return f"{number:032x}"


async def _messages(box: kannel.Kannel, told: dict[str, str]) -> list[str]:
    with contextlib.suppress(TimeoutError):
        await box.until(lambda: len(box.messages) >= len(told))
    expected = {(f"+{source}", MO_NUMBER, text) for source, text in told.items()}
    differences = [f"message {one}: never came" for one in expected - set(box.messages)]
    return differences + [f"message {one}: nobody sent it" for one in set(box.messages) - expected]
