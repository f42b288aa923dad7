"""Binary, ported, flash and silent messages over HTTP: asked for, refused, shown."""

import re
from pathlib import Path
from typing import Any

import orjson

from messages.walk import NUMBER, Walk
from onesixty.carriers.contract import Inbound
from onesixty.messages.receive.inbound import PARTS_WAIT
from onesixty.sms import udh
from onesixty.sms.alphabet import Encoding
from onesixty.sms.form import Form
from onesixty.sms.reassembly import GAP, Fragment

from .door import Door

GUIDE = (Path(__file__).parents[3] / "docs" / "guide" / "binary.md").read_text()
SEND = "/v1/messages"
PREVIEW = "/v1/messages/preview"
BATCH = "/v1/messages/batch"
TO = {"to": NUMBER, "from": "ACME"}
WAP = {"source": 9200, "destination": 2948}
# What is asked for beside the recipient, and what the answer shows of it.
GOOD: list[tuple[dict[str, Any], dict[str, Any]]] = [
    (
        {"body": "look", "flash": True},
        {"message_class": 0, "flash": True, "encoding": "gsm7", "segments": 1},
    ),
    ({"body": "look", "flash": True, "message_class": 0}, {"message_class": 0, "flash": True}),
    ({"body": "for the SIM", "message_class": 2}, {"message_class": 2}),
    ({"data": "AQID/w=="}, {"data": "AQID/w==", "encoding": "binary", "segments": 1, "body": ""}),
    (
        {"data": "A" * 180, "ports": WAP},
        {"ports": WAP, "udh": "0605040b8423f0", "segments": 2, "data": "A" * 180},
    ),
    ({"data": "AQ==", "udh": "0605040B8423F0"}, {"ports": WAP, "udh": "0605040b8423f0"}),
    ({"body": "hello", "ports": WAP}, {"ports": WAP, "body": "hello"}),
    ({"silent": True}, {"silent": True, "protocol_id": 64, "body": "", "segments": 1}),
    ({"body": "plain", "flash": False, "silent": False}, {"body": "plain"}),
]
WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({}, "invalid_request", "/body"),
    ({"flash": True}, "invalid_request", "/body"),
    ({"body": "x", "data": "AQ=="}, "invalid_request", "/data"),
    ({"data": "AQ==", "encoding": "ucs2"}, "invalid_request", "/data"),
    ({"data": "AQ==", "smart_encoding": True}, "invalid_request", "/data"),
    ({"data": "AQ"}, "invalid_request", "/data"),
    ({"data": "no base64!"}, "invalid_request", "/data"),
    ({"data": 7}, "invalid_request", "/data"),
    ({"data": ""}, "empty_body", "/data"),
    ({"data": "A" * 60_000, "max_segments": 255}, "body_too_long", "/data"),
    ({"data": "A" * 4_000}, "body_too_long", "/data"),
    ({"body": "x", "udh": "05000"}, "invalid_request", "/udh"),
    ({"body": "x", "udh": "xx"}, "invalid_request", "/udh"),
    ({"body": "x", "udh": "0500"}, "invalid_udh", "/udh"),
    ({"body": "x", "udh": "8c708a" + "00" * 138}, "invalid_udh", "/udh"),
    ({"body": "x", "udh": "0605040b8423f0", "ports": WAP}, "invalid_request", "/ports"),
    ({"body": "x", "ports": {"source": 1}}, "invalid_request", "/ports/destination"),
    ({"body": "x", "ports": WAP | {"source": 65_536}}, "invalid_request", "/ports/source"),
    ({"body": "x", "message_class": 4}, "invalid_request", "/message_class"),
    ({"body": "x", "message_class": 1, "flash": True}, "invalid_request", "/message_class"),
    ({"body": "x", "flash": True, "silent": True}, "invalid_request", "/silent"),
    ({"body": "x", "protocol_id": 64}, "invalid_request", "/protocol_id"),
]
FORMED = (
    "data",
    "udh",
    "ports",
    "message_class",
    "flash",
    "silent",
    "protocol_id",
    "data_coding",
    "missing_parts",
)


async def test_good_forms(sending: Door, walk: Walk) -> None:
    """The answer, the preview and what is read later show what was asked for, and no more."""
    for asked, shown in GOOD:
        sent = await sending.ask("POST", SEND, TO | asked)
        assert sent.status == 202, sent
        read = await sending.ask("GET", f"{SEND}/{sent.body['id']}")
        preview = await sending.ask("POST", PREVIEW, TO | asked)
        for body in (sent.body, read.body, preview.body):
            assert {name: body.get(name) for name in shown} == shown
            assert {name for name in FORMED if name in body} <= {*shown, "udh", "protocol_id"} | (
                {"data"} if "data" in asked else set()
            )
    forms = [one.form for one in walk.carrier.unanswered()]
    assert len(forms) == len(GOOD)
    assert forms[-1] is None


async def test_commands_of_the_guide_work(sending: Door) -> None:
    """Every message of the guide is taken."""
    bodies = [orjson.loads(body) for body in re.findall(r"--json '(.+)'$", GUIDE, re.MULTILINE)]
    assert len(bodies) == 4
    for body in bodies:
        answer = await sending.ask("POST", SEND, body | {"to": NUMBER})
        assert answer.status == 202, answer


async def test_wrong_forms(sending: Door, walk: Walk) -> None:
    """What contradicts itself or cannot be sent is refused with the field that is wrong."""
    for asked, code, pointer in WRONG:
        for path in (SEND, PREVIEW):
            answer = await sending.ask("POST", path, TO | asked)
            assert (answer.status, answer.body["code"]) == (422, code), (asked, answer.body)
            assert pointer in [one["pointer"] for one in answer.body["errors"]], answer.body
    assert await walk.count("messages") == 0


async def test_forms_in_a_batch(sending: Door, walk: Walk) -> None:
    """What all recipients get may be data; messages of their own have forms of their own."""
    data = {"from": "ACME", "data": "AQID", "ports": WAP, "recipients": [{"to": NUMBER}] * 2}
    answer = await sending.ask("POST", BATCH, data)
    assert (answer.status, answer.body["accepted"]) == (202, 2), answer.body
    messages = [
        TO | {"body": "a", "flash": True},
        TO | {"body": "b", "data": "AQ=="},
        TO | {"data": "AQ=="},
        TO | {"flash": True},
    ]
    answer = await sending.ask("POST", BATCH, {"messages": messages})
    assert (answer.body["accepted"], answer.body["refused"]) == (2, 2), answer.body
    kept = await walk.database.fetch("SELECT form FROM messages ORDER BY id")
    ported = {"udh": "0605040b8423f0", "data": "010203"}
    assert [row["form"] for row in kept] == [ported, ported, {"message_class": 0}, {"data": "01"}]
    wrong = data | {"body": "x"}
    answer = await sending.ask("POST", BATCH, wrong)
    assert (answer.status, answer.body["errors"][0]["pointer"]) == (422, "/data")


async def test_what_came_from_handsets(sending: Door, walk: Walk) -> None:
    """Binary data, ports and missing parts are read, listed and told as they are stored."""
    header = udh.build(udh.ports(2948, 9200))
    form = Form(udh=header, data_coding=0xF5, message_class=1)
    now = walk.clock.now()
    for fragment, beside in (
        (Fragment(Encoding.BINARY, b"\x01\xff"), form),
        (Fragment(Encoding.GSM7, b"begin ", 7, 8, 3, 1), None),
    ):
        walk.inbound.put(
            [
                Inbound(
                    walk.carrier.number, "+447700900999", "12345", fragment, now,
                    lambda stored: None, beside,
                )
            ]
        )  # fmt: skip
    await walk.received()
    await walk.clock.advance(PARTS_WAIT.total_seconds() + 1)
    await walk.inbound.sweep()
    listed = await sending.ask("GET", f"{SEND}?direction=inbound")
    gaps, data = listed.body["data"]
    shown = {"data": "Af8=", "udh": header.hex(), "ports": WAP, "message_class": 1}
    shown |= {"data_coding": 0xF5, "body": "", "encoding": "binary"}
    assert {name: data[name] for name in shown} == shown
    assert (gaps["body"], gaps["missing_parts"]) == (f"begin {GAP}", [2, 3])
    assert gaps["error"]["code"] == "parts_missing"
    events = await sending.ask("GET", "/v1/events?type=message.received")
    assert {event["data"]["id"] for event in events.body["data"]} == {gaps["id"], data["id"]}
    assert [2, 3] in [event["data"].get("missing_parts") for event in events.body["data"]]
