"""Foreign message centres as our carriers: what we submit arrives, what they deliver arrives."""

from collections import defaultdict
from typing import Any, Final

from . import npm
from .corpus import is_gsm, mixed
from .live import Live, MissingPeerError, live

_FORMS: Final = ("udh8", "udh16", "sar", "payload")
_STATUS: Final = {"7": "expired", "8": "undelivered", "9": "undelivered"}


async def npm_smsc(count: int) -> list[str]:
    """npm smpp as the SMSC; what differs."""
    folder = npm.installed()
    if folder is None:
        raise MissingPeerError("Node.js")
    async with live() as server, npm.running(folder, "smsc.js") as script:
        await server.carrier("npm", (await script.told("port"))["port"], window=50)
        differences = []
        texts = mixed(count)
        for number, form in enumerate(_FORMS):
            await server.change("npm", concatenation=form)
            first, end = (count * each // len(_FORMS) for each in (number, number + 1))
            sent = {f"+4917{place:08d}": texts[place] for place in range(first, end)}
            differences += await _outbound(server, script, sent, form, before=first)
        return differences + await _inbound(server, script, mixed(count, seed=2))


async def _outbound(
    server: Live, script: npm.Script, sent: dict[str, str], form: str, before: int
) -> list[str]:
    """Send them, long ones in this form, where so many were sent before."""
    await server.send([{"to": to, "from": "Shop", "body": text} for to, text in sent.items()])
    messages = (await server.settled(before + len(sent)))[before:]
    taken: dict[str, list[npm.Told]] = defaultdict(list)
    for _ in range(sum(one["parts_sent"] for one in messages)):
        told = await script.told("taken")
        taken["+" + told["fields"]["destination_addr"]].append(told)
    differences = []
    for one in messages:
        parts = sorted(taken.pop(one["to"]), key=_place)
        text = "".join(_text(part["fields"]) for part in parts)
        timeline = await server.ask("GET", f"/v1/messages/{one['id']}/timeline")
        ids = [part["carrier_message_id"] for part in timeline["parts"]]
        status = _STATUS.get(one["to"][-1], "delivered")
        cut = one["segments"] > 1
        for what, ours, theirs in (
            ("text given", sent[one["to"]], text),
            ("text kept", one["body"], text),
            ("ids", sorted(ids), sorted(part["taken"] for part in parts)),
            ("status", one["status"], status),
            ("parts", one["parts_sent"], len(parts)),
            ("form", form if cut or form == "payload" else "", _form(parts[0]["fields"])),
        ):
            if ours != theirs:
                differences.append(f"out {one['to']} {what}: {ours!r} and {theirs!r}")
    return differences + [f"out {to}: nobody sent it" for to in taken]


def _place(told: npm.Told) -> int:
    """Which part of its message this is."""
    fields = told["fields"]
    headers = fields["short_message"].get("udh", ())
    by_header = (int(one["hex"][-2:], 16) for one in headers if one["hex"][:2] in ("00", "08"))
    return next(by_header, fields.get("sar_segment_seqnum", 0))


def _form(fields: dict[str, Any]) -> str:
    """How the parts of a long message are tied together."""
    headers = fields["short_message"].get("udh", ())
    if headers:
        return {"00": "udh8", "08": "udh16"}[headers[0]["hex"][:2]]
    if "sar_msg_ref_num" in fields:
        return "sar"
    return "payload" if "message_payload" in fields else ""


def _text(fields: dict[str, Any]) -> str:
    """What npm smpp reads in a message, whole or a part."""
    given = fields.get("message_payload") or fields["short_message"]
    text: str = given["message"]
    return text


async def _inbound(server: Live, script: npm.Script, texts: list[str]) -> list[str]:
    number, sent = 0, {}
    for place, text in enumerate(texts):
        source = f"4916{place:08d}"
        sent["+" + source] = text
        for fields in _deliveries(source, text, place):
            script.tell("deliver", n=number, fields=fields)
            number += 1
    differences = []
    for _ in range(number):
        told = await script.told("delivered")
        if told["status"]:
            differences.append(f"in: {told}")
    for one in await server.received(len(texts)):
        text = sent.pop(one["from"], "")
        if one["body"] != text:
            differences.append(f"in {one['from']}: {text!r} and {one['body']!r}")
    return differences + [f"in {source}: never came" for source in sent]


def _deliveries(source: str, text: str, place: int) -> list[dict[str, Any]]:
    """One deliver_sm, or several: long ones in parts, each other one as a message_payload."""
    coding = 0 if is_gsm(text) else 8
    fields = {"source_addr_ton": 1, "source_addr_npi": 1, "source_addr": source, "dest_addr_ton": 1,
              "destination_addr": "491700000001", "data_coding": coding}  # fmt: skip
    if len(text) <= 60:
        return [fields | {"short_message": text}]
    if place % 2:
        return [fields | {"message_payload": text}]
    pieces = [text[at : at + 30] for at in range(0, len(text), 30)]
    return [
        fields | {"short_message": {
            "udh": {"hex": f"050003{place & 0xFF:02x}{len(pieces):02x}{part:02x}"},
            "message": piece,
        }}
        for part, piece in enumerate(pieces, 1)
    ]  # fmt: skip
