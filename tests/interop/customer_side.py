"""Foreign clients as our customers: what they submit goes out, receipts and messages come back."""

from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from onesixty.kit.chance import chance
from onesixty.kit.clock import SystemClock
from onesixty.simulator.smsc import Smsc
from onesixty.sms import udh

from . import npm
from .corpus import is_gsm, mixed
from .live import Live, MissingPeerError, live

PASSWORD: Final = "secret"
MO_NUMBER: Final = "+447700900100"
WINDOW: Final = 20
# Numbers that the simulated SMSC does not deliver to: message_state, and a word of the receipt.
_FATES: Final = {
    "15005550103": (5, "stat:UNDELIV err:003"),
    "15005550106": (5, "stat:UNDELIV err:007"),
    "15005550117": (8, "stat:REJECTD"),
}
_TOLD: Final = ("source_addr", "destination_addr", "esm_class", "message_state")


_OTHER_FORMS: Final[tuple[tuple[dict[str, Any], dict[str, Any]], ...]] = (
    ({"data_coding": 3, "short_message": "àéîõü ©"}, {"text": "àéîõü ©"}),
    ({"data_coding": 0x10, "short_message": "now {€}"}, {"text": "now {€}", "message_class": 0}),
    (
        {"data_coding": 0x18, "short_message": {"hex": "0441043504390447"}},
        {"text": "сейч", "message_class": 0},
    ),
    ({"data_coding": 4, "short_message": {"hex": "00ff7f80"}}, {"data": b"\0\xff\x7f\x80"}),
    (
        {"data_coding": 4, "esm_class": 0x40, "short_message": {"hex": "0605040b8423f0cafe"}},
        {"data": b"\xca\xfe", "ports": udh.Ports(2948, 9200)},
    ),
    ({"protocol_id": 0x40, "short_message": "silent"}, {"text": "silent", "protocol_id": 0x40}),
)


@asynccontextmanager
async def served() -> AsyncIterator[tuple[Live, Smsc]]:
    """A live server whose carrier is a simulated SMSC that keeps all it takes."""
    smsc = Smsc(clock=SystemClock(), chance=chance(1), record=True)
    port = await smsc.start(port=0)
    try:
        async with live() as server:
            await server.carrier("simulated", port, window=100)
            yield server, smsc
    finally:
        await smsc.stop()


async def npm_esme(count: int) -> list[str]:
    """npm smpp as a client; what differs."""
    folder = npm.installed()
    if folder is None:
        raise MissingPeerError("Node.js")
    async with served() as (server, smsc):
        await server.esme("npm", PASSWORD)
        async with npm.esme(folder, server.smpp_port) as esme:
            bound = await esme.ask("bind_transceiver", system_id="npm", password=PASSWORD)
            assert bound["status"] == 0, bound
            conversation = _Conversation(server, smsc, esme)
            differences = await conversation.submits(mixed(count))
            differences += await conversation.fails()
            differences += await conversation.forms()
            differences += await conversation.delivers(mixed(count, seed=2))
            differences += await conversation.asks()
            unbound = await esme.ask("unbind")
            assert unbound["status"] == 0, unbound
    return differences


class _Conversation:
    """What is said between npm smpp and a server, and what came of it behind the server."""

    def __init__(self, server: Live, smsc: Smsc, esme: npm.NpmEsme) -> None:
        self._server, self._smsc, self._esme = server, smsc, esme
        self.ids: dict[str, str] = {}
        """The id of the first part of what went to each number."""

    async def submits(self, texts: list[str]) -> list[str]:
        """Submit them in every way that there is; compare what arrived, and what was told."""
        sent = numbered("4917", texts)
        numbers: dict[int, str] = {}
        for place, (to, text) in enumerate(sent.items()):
            for fields in _submits(to, text, place):
                numbers[self._esme.send("submit_sm", **fields)] = to
                if len(numbers) % WINDOW == 0:
                    await self._esme.script.drained()
        answers: dict[str, str] = {}
        differences = []
        for number, to in numbers.items():
            told = await self._esme.answer(number)
            if told["status"]:
                differences.append(f"submit to {to}: {told}")
                continue
            answers[told["fields"]["message_id"]] = to
            self.ids.setdefault(to, told["fields"]["message_id"])
        if len(answers) != len(numbers):
            differences.append(f"{len(numbers)} submits have {len(answers)} ids")
        differences += await self._receipts(answers)
        differences += await self._statuses(answers)
        return differences + taken_otherwise(self._smsc, sent)

    async def _receipts(self, answers: dict[str, str]) -> list[str]:
        differences, seen = [], set()
        for _ in answers:
            fields = await self._esme.asked("deliver_sm")
            name = fields["receipted_message_id"]
            text = fields["short_message"]["message"]
            to = answers.get(name)
            told = [fields[each] for each in _TOLD]
            words = f"id:{name} " in text and "stat:DELIVRD" in text
            if name in seen or not words or told != [to, "Shop", 4, 2]:
                differences.append(f"receipt for {to}: {fields}")
            seen.add(name)
        return differences

    async def _statuses(self, answers: dict[str, str]) -> list[str]:
        messages = await self._server.settled(len(answers))
        shown = {one["to"].removeprefix("+") for one in messages if one["status"] == "delivered"}
        return [f"{to} is not delivered" for to in set(answers.values()) - shown]

    async def fails(self) -> list[str]:
        """Submit to numbers that nothing reaches; the receipts say so."""
        differences = []
        for to, expected in _FATES.items():
            number = self._esme.send("submit_sm", **_submits(to, "never", 0)[0])
            name = (await self._esme.answer(number))["fields"]["message_id"]
            told = await self._esme.asked("deliver_sm")
            words = told["short_message"]["message"]
            if (told["receipted_message_id"], told["message_state"]) != (name, expected[0]):
                differences.append(f"receipt for {to}: {told}")
            if expected[1] not in words or "dlvrd:000" not in words:
                differences.append(f"receipt for {to}: {words}")
        return differences

    async def forms(self) -> list[str]:
        """Submit what is more than text, or in another alphabet; it reaches the SMSC as it is."""
        assert self._smsc.record
        before = len(self._smsc.record.messages())
        for number, (given, _) in enumerate(_OTHER_FORMS):
            fields = _submits(f"4918{number:08d}", "", 0)[0] | given
            told = await self._esme.answer(self._esme.send("submit_sm", **fields))
            assert told["status"] == 0, (given, told)
            await self._esme.asked("deliver_sm")  # its receipt
        arrived = self._smsc.record.messages()[before:]
        return [
            f"{given}: {one}"
            for (given, expected), one in zip(_OTHER_FORMS, arrived, strict=True)
            if any(getattr(one, name) != value for name, value in expected.items())
        ]

    async def delivers(self, texts: list[str]) -> list[str]:
        """Have handsets send them; compare what the client is given."""
        sent = numbered("4916", texts)
        for source, text in sent.items():
            self._smsc.receive_from(f"+{source}", MO_NUMBER, text)
        arrived: dict[str, dict[int, str]] = defaultdict(dict)
        wanted, differences = set(sent), []
        while wanted:
            fields = await self._esme.asked("deliver_sm")
            source = fields["source_addr"]
            if fields["destination_addr"] != MO_NUMBER[1:] or fields["esm_class"] & 0x3C:
                differences.append(f"message from {source}: {fields}")
            place, total = _part(fields)
            arrived[source][place] = fields["short_message"]["message"]
            if len(arrived[source]) == total:
                wanted.discard(source)
        for source, text in sent.items():
            whole = "".join(arrived[source][place] for place in sorted(arrived[source]))
            if whole != text:
                differences.append(f"message from {source}: {text!r} and {whole!r}")
        return differences

    async def asks(self) -> list[str]:
        """Everything but messages: query_sm, cancel_sm, replace_sm, submit_multi, enquire_link."""
        to, name = next(iter(self.ids.items()))
        shop = {"source_addr": "Shop"}
        answers = {
            "query": await self._esme.ask("query_sm", message_id=name, **shop),
            "query of none": await self._esme.ask("query_sm", message_id="00" * 16, **shop),
            "cancel what is delivered": await self._esme.ask("cancel_sm", message_id=name, **shop),
            "enquire_link": await self._esme.ask("enquire_link"),
            "a second bind": await self._esme.ask("bind_receiver", system_id="npm"),
        }
        later = await self._esme.ask(
            "submit_sm", destination_addr=to, schedule_delivery_time="000001000000000R",
            short_message="later", **shop,
        )  # fmt: skip
        later_id = later["fields"]["message_id"]
        answers["replace"] = await self._esme.ask(
            "replace_sm", message_id=later_id, short_message="even later", **shop
        )
        answers["cancel"] = await self._esme.ask("cancel_sm", message_id=later_id, **shop)
        statuses = {what: answer["status"] for what, answer in answers.items()}
        expected = {
            "query": 0, "query of none": 0x67, "cancel what is delivered": 0x11, "enquire_link": 0,
            "a second bind": 5, "replace": 0, "cancel": 0,
        }  # fmt: skip
        differences = [] if statuses == expected else [f"statuses {statuses}"]
        if answers["query"]["fields"]["message_state"] != 2:
            differences.append(f"query_sm: {answers['query']}")
        return differences


def numbered(prefix: str, texts: list[str]) -> dict[str, str]:
    """A number of its own for each text, without +."""
    return {f"{prefix}{number:08d}": text for number, text in enumerate(texts)}


def taken_otherwise(smsc: Smsc, sent: dict[str, str]) -> list[str]:
    """Where the SMSC did not take just the text that was sent to a number."""
    assert smsc.record
    arrived: dict[str, list[str]] = defaultdict(list)
    for one in smsc.record.messages():
        arrived[one.destination].append(one.text)
    return [
        f"text to {to}: {text!r} and {arrived[to]!r}"
        for to, text in sent.items()
        if arrived[to] != [text]
    ]


def _part(fields: dict[str, Any]) -> tuple[int, int]:
    for header in fields["short_message"].get("udh", ()):
        octets = bytes.fromhex(header["hex"])
        if octets[0] in (0, 8):
            return octets[-1], octets[-2]
    return 1, 1


def _submits(to: str, text: str, place: int) -> list[dict[str, Any]]:
    """The fields of one submit_sm, or of several: long ones by UDH, by SAR, or as a payload."""
    coding = 0 if is_gsm(text) else 8
    fields: dict[str, Any] = {
        "source_addr_ton": 5, "source_addr": "Shop", "dest_addr_ton": 1, "dest_addr_npi": 1,
        "destination_addr": to, "registered_delivery": 1, "data_coding": coding,
    }  # fmt: skip
    if len(text) <= 60:
        return [fields | {"short_message": text}]
    if place % 3 == 0:
        return [fields | {"message_payload": text}]
    pieces = [text[at : at + 30] for at in range(0, len(text), 30)]
    if place % 3 == 1:
        return [
            fields | {"short_message": {
                "udh": {"hex": f"050003{place & 0xFF:02x}{len(pieces):02x}{part:02x}"},
                "message": piece,
            }}
            for part, piece in enumerate(pieces, 1)
        ]  # fmt: skip
    return [
        fields | {"short_message": piece, "sar_msg_ref_num": place,
                  "sar_total_segments": len(pieces), "sar_segment_seqnum": part}
        for part, piece in enumerate(pieces, 1)
    ]  # fmt: skip
