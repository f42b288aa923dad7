"""MMS, WhatsApp and plans of several channels over HTTP: asked for, refused, shown."""

import re
from pathlib import Path
from typing import Any

import orjson
import pytest

from messages.walk import NUMBER, Walk
from onesixty.carriers.content import Content, Media, Template

from .door import Door

GUIDE = (Path(__file__).parents[3] / "docs" / "guide" / "channels.md").read_text()
SEND = "/v1/messages"
PREVIEW = "/v1/messages/preview"
BATCH = "/v1/messages/batch"
TO = {"to": NUMBER}
PICTURE = {"url": "https://example.com/a.png", "content_type": "image/png", "filename": "a.png"}
TEMPLATE = {"name": "code", "language": "en_US", "parameters": ["481220"], "components": []}
BUTTONS = {"type": "button", "body": {"text": "Yes?"}}
CHAT = {"channel": "whatsapp"}
# What is asked for beside the recipient, and what the answer shows of it.
GOOD: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"body": "hi", "channel": "sms"}, {"channel": "sms", "segments": 1, "encoding": "gsm7"}),
    ({"media": [PICTURE]}, {"channel": "mms", "media": [PICTURE], "body": "", "segments": 1}),
    (
        {"body": "look", "channel": "mms", "subject": "A picture"},
        {"channel": "mms", "subject": "A picture", "body": "look", "segments": 1},
    ),
    (CHAT | {"body": "ж" * 4096}, {"channel": "whatsapp", "segments": 1, "from": None}),
    (CHAT | {"template": TEMPLATE}, {"template": TEMPLATE, "body": ""}),
    (
        CHAT | {"template": {"name": "code", "parameters": {"code": "1"}}},
        {"template": TEMPLATE | {"language": "en", "parameters": {"code": "1"}}},
    ),
    (CHAT | {"interactive": BUTTONS}, {"interactive": BUTTONS}),
    (
        CHAT | {"body": "look", "media": [PICTURE], "reply_to": "wamid.1", "from": "+447700900111"},
        {"media": [PICTURE], "reply_to": "wamid.1", "from": "+447700900111"},
    ),
]
# What is wrong: the problem and the field.
WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"body": "x", "channel": "rcs"}, "invalid_request", "/channel"),
    ({"channel": "sms"}, "empty_body", "/body"),
    ({"channel": "mms"}, "empty_body", "/body"),
    ({"body": "x", "channel": "sms", "media": [PICTURE]}, "not_on_channel", "/media"),
    ({"body": "x", "template": TEMPLATE}, "not_on_channel", "/template"),
    ({"body": "x", "channel": "mms", "interactive": BUTTONS}, "not_on_channel", "/interactive"),
    ({"body": "x", "channel": "mms", "reply_to": "1"}, "not_on_channel", "/reply_to"),
    (CHAT | {"body": "x", "subject": "y"}, "not_on_channel", "/subject"),
    (CHAT | {"body": "x", "template": TEMPLATE}, "not_on_channel", "/body"),
    (CHAT | {"template": TEMPLATE, "interactive": BUTTONS}, "not_on_channel", "/interactive"),
    (CHAT | {"media": [PICTURE] * 2}, "not_on_channel", "/media"),
    (CHAT | {"body": "x" * 4097}, "body_too_long", "/body"),
    (CHAT | {"body": "x" * 1025, "media": [PICTURE]}, "body_too_long", "/body"),
    (CHAT | {"body": "x", "from": "ACME"}, "invalid_sender", "/from"),
    (CHAT | {"body": "x", "flash": True}, "not_on_channel", "/channel"),
    ({"body": "x" * 1601, "channel": "mms"}, "body_too_long", "/body"),
    ({"media": [PICTURE] * 11}, "invalid_request", "/media"),
    ({"media": []}, "invalid_request", "/media"),
    ({"media": [{"url": "http://127.0.0.1/a"}]}, "url_not_allowed", "/media/0/url"),
    ({"media": [PICTURE | {"content_type": "png"}]}, "invalid_request", "/media/0/content_type"),
    (CHAT | {"interactive": {"a": "x" * 16_400}}, "invalid_request", "/interactive"),
    (CHAT | {"template": {"name": "a\0b"}}, "invalid_request", "/template/name"),
]
PLAN = [{"channel": "whatsapp", "after": "1m"}, {"channel": "sms"}]
WRONG_PLANS: list[tuple[dict[str, Any], str, str]] = [
    ({"fallback": []}, "invalid_request", "/fallback"),
    ({"fallback": PLAN * 3}, "invalid_request", "/fallback"),
    ({"fallback": PLAN, "channel": "sms"}, "invalid_request", "/channel"),
    ({"fallback": PLAN, "flash": True}, "invalid_request", "/fallback"),
    ({"fallback": PLAN[:1]}, "invalid_request", "/fallback/0/after"),
    ({"fallback": PLAN, "validity_seconds": 60}, "invalid_request", "/fallback"),
    ({"fallback": [CHAT | {"after": "1 minute"}, PLAN[1]]}, "invalid_request", "/fallback/0/after"),
    ({"fallback": [CHAT | {"after": "0s"}, PLAN[1]]}, "invalid_request", "/fallback/0/after"),
    (
        {"fallback": [PLAN[0], {"channel": "sms", "media": [PICTURE]}]},
        "not_on_channel",
        "/fallback/1/media",
    ),
    (
        {"fallback": [CHAT | {"media": [{"url": "http://10.0.0.1/"}]}, PLAN[1]]},
        "url_not_allowed",
        "/fallback/0/media/0/url",
    ),
    ({"body": None, "template": TEMPLATE, "fallback": PLAN}, "empty_body", "/fallback/1/body"),
]


async def test_good_messages(sending: Door, walk: Walk) -> None:
    """The answer, the preview and what is read later show what was asked for."""
    for asked, shown in GOOD:
        sent = await sending.ask("POST", SEND, TO | asked)
        assert sent.status == 202, sent
        read = await sending.ask("GET", f"{SEND}/{sent.body['id']}")
        preview = await sending.ask("POST", PREVIEW, TO | asked)
        for body in (sent.body, read.body, preview.body):
            assert {name: body.get(name) for name in shown} == shown


@pytest.mark.parametrize("asked", [WRONG, WRONG_PLANS])
async def test_wrong_messages(
    sending: Door, walk: Walk, asked: list[tuple[dict[str, Any], str, str]]
) -> None:
    """What a channel cannot carry, or a plan cannot do, is refused with the field that is wrong."""
    for given, code, pointer in asked:
        body = TO | ({"body": "x"} if "fallback" in given else {}) | given
        for path in (SEND, PREVIEW):
            answer = await sending.ask("POST", path, body)
            assert (answer.status, answer.body["code"]) == (422, code), (given, answer)
            assert answer.body["errors"][0]["pointer"] == pointer, given
    assert walk.carrier.taken == []


async def test_what_reaches_the_carrier(sending: Door, walk: Walk) -> None:
    """Content goes to the carrier as it was given, right after acceptance and out of the queue."""
    await sending.ask("POST", SEND, TO | {"body": "look", "media": [PICTURE]})
    walk.carrier.turn(up=False)
    await sending.ask("POST", SEND, TO | CHAT | {"template": TEMPLATE})
    walk.carrier.turn(up=True)
    await walk.claim()
    first, second = await walk.carrier.took(2)
    media = Media("https://example.com/a.png", "image/png", "a.png")
    assert (first.channel, first.body, first.content) == ("mms", "look", Content(media=(media,)))
    template = Template("code", "en_US", ("481220",))
    assert (second.channel, second.content) == ("whatsapp", Content(template=template))


async def test_a_plan(sending: Door, walk: Walk) -> None:
    """Steps are composed from the message; the plan is shown; cancelling what is out drops it."""
    body = {"body": "481220", "from": "ACME", "template": TEMPLATE, "fallback": PLAN}
    sent = await sending.ask("POST", SEND, TO | body)
    assert sent.status == 202, sent
    plan = [
        {"channel": "whatsapp", "state": "current"},
        {"channel": "sms", "state": "waiting"},
    ]
    assert sent.body["fallback"] == plan
    (first,) = walk.carrier.taken
    assert (first.body, first.sender) == ("", None)
    (step,) = await walk.ask("SELECT steps FROM messages")
    assert step["wait"] == 60
    assert (step["channel"], step["body"], step["sender"]) == (0, "481220", "ACME")
    walk.carrier.accept(first)
    await walk.settled()
    path = f"{SEND}/{sent.body['id']}"
    parts = (await sending.ask("GET", f"{path}/timeline")).body["parts"]
    assert [part["channel"] for part in parts] == ["whatsapp"]
    canceled = await sending.ask("POST", f"{path}/cancel")
    assert (canceled.status, canceled.body["status"]) == (200, "sent")
    assert "fallback" not in canceled.body
    assert (await sending.ask("POST", f"{path}/cancel")).status == 409


async def test_batches_and_lists(sending: Door, walk: Walk) -> None:
    """A batch takes channels too, shared or for each; lists show one; a cancel ends all plans."""
    shared = {"body": "x", "fallback": PLAN, "recipients": [{"to": NUMBER}] * 2}
    plans = await sending.ask("POST", BATCH, shared)
    assert plans.body["accepted"] == 2, plans
    own = [TO | {"media": [PICTURE]}, TO | {"media": [{"url": "http://localhost/"}]}]
    answer = await sending.ask("POST", BATCH, {"messages": own})
    assert (answer.body["accepted"], answer.body["refused"]) == (1, 1)
    for channel, count in (("whatsapp", 2), ("mms", 1), ("sms", 0)):
        listed = await sending.ask("GET", f"{SEND}?channel={channel}")
        assert len(listed.body["data"]) == count
    for batch in (plans.body["id"], answer.body["id"]):
        assert (await sending.ask("POST", f"/v1/batches/{batch}/cancel")).status == 200
    assert await walk.ask("SELECT count(*) FROM messages WHERE steps IS NOT NULL") == 0


async def test_commands_of_the_guide_work(sending: Door) -> None:
    """Every message of the guide is taken."""
    found = re.findall(r"--json '(.+?)'$", GUIDE, re.DOTALL | re.MULTILINE)
    bodies = [orjson.loads(body) for body in found]
    assert len(bodies) == 4
    for body in bodies:
        answer = await sending.ask("POST", SEND, body | {"to": NUMBER})
        assert answer.status == 202, answer
