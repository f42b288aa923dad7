"""WhatsApp: what Meta is sent, what its answers and calls mean."""

import hashlib
import hmac
from dataclasses import replace
from datetime import timedelta
from typing import Any

import orjson
import pytest

from onesixty.carriers.content import Content, Media, Template
from onesixty.carriers.contract import (
    Call,
    CallRefusedError,
    ErrorClass,
    News,
    OutcomeKind,
    ReceiptState,
)
from onesixty.carriers.http.dialect import Answer, CannotSendError
from onesixty.carriers.whatsapp.calls import WhatsAppCalls
from onesixty.carriers.whatsapp.carrier import SPEC
from onesixty.carriers.whatsapp.codes import MAKERS
from onesixty.carriers.whatsapp.dialect import WhatsAppDialect
from onesixty.kit.manual_clock import ManualClock
from onesixty.simulator.http.whatsapp import WhatsAppFarSide
from onesixty.simulator.numbers import State

from .aggregators.wire import BASE, CALLBACK, NOW, Wire, call_of, config, submission

SETTINGS = {**WhatsAppFarSide.credentials, "base_url": BASE}
IMAGE = Media("https://x.example/a.png")


class Bench:
    """A dialect, its far side and the reader of its calls."""

    def __init__(self, **settings: Any) -> None:
        self.clock = ManualClock()
        self.far_side = WhatsAppFarSide(self.clock)
        self.wire = Wire(self.far_side)
        whole = config(SPEC, SETTINGS | settings, self.clock)
        self.dialect = WhatsAppDialect(whole, self.wire.ask)
        self.calls = WhatsAppCalls(whole)

    async def sent(self, body: str = "hi", **content: Any) -> dict[str, Any]:
        """What Meta gets of a message."""
        one = submission(body, channel="whatsapp", content=Content(**content))
        told: dict[str, Any] = orjson.loads((await self.dialect.request(one)).body)
        return told

    async def said(self, message: dict[str, Any]) -> News:
        """The news of a person's message."""
        return await self.calls.read(call_of(self.far_side.say("+16505551234", message, CALLBACK)))


def answer(status: int, error: dict[str, Any], **headers: str) -> Answer:
    """An answer of Meta with an error."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, named, orjson.dumps({"error": error}))


async def test_a_text_is_taken() -> None:
    """It names the person without +, and us by the message's id; the answer's id is kept."""
    bench = Bench()
    one = submission("hi")
    request = await bench.dialect.request(one)
    told = orjson.loads(request.body)
    assert told["to"] == "15551231234"
    assert told["biz_opaque_callback_data"] == one.message_id.hex
    assert told["text"] == {"body": "hi", "preview_url": False}
    verdict = bench.dialect.read(one, await bench.wire.ask(request))
    assert verdict.kind is OutcomeKind.ACCEPTED
    assert verdict.carrier_message_id == bench.wire.submitted[0].id


async def test_the_secret_of_the_app_is_proved() -> None:
    """The proof is the known one for a known token and secret."""
    bench = Bench(app_secret="app_secret", access_token="EAAtoken")
    request = await bench.dialect.request(submission())
    proof = "a448461623832b66fe055bd6bfa70574785d2f3596d0ff959c3fe9bb7161b8b3"
    assert request.url.endswith(f"/v23.0/106540352242922/messages?appsecret_proof={proof}")


@pytest.mark.parametrize(
    ("media", "text", "wanted"),
    [
        (IMAGE, "look", {"type": "image", "image": {"link": IMAGE.url, "caption": "look"}}),
        (Media("8001", "audio/ogg"), "", {"type": "audio", "audio": {"id": "8001"}}),
        (
            Media("https://x.example/r", "application/pdf", "r.pdf"),
            "",
            {"type": "document",
             "document": {"link": "https://x.example/r", "filename": "r.pdf"}},
        ),
        (Media("https://x.example/v.mp4?sig=1"), "", {"type": "video"}),
        (Media("https://x.example/s.webp"), "", {"type": "sticker"}),
        (Media("https://x.example/file"), "", {"type": "document"}),
    ],
)  # fmt: skip
async def test_files_go_by_their_kind(media: Media, text: str, wanted: dict[str, Any]) -> None:
    """By content type, else by the end of the URL; text goes along where it can."""
    told = await Bench().sent(text, media=(media,))
    assert {name: told[name] for name in wanted} == wanted


@pytest.mark.parametrize(
    "content",
    [{"media": (IMAGE, IMAGE)}, {"media": (Media("https://x.example/a.mp3"),)}],
    ids=["two files", "a voice with text"],
)
async def test_what_the_channel_cannot_carry(content: dict[str, Any]) -> None:
    """It is said before anything is sent."""
    with pytest.raises(ValueError, match="over WhatsApp"):
        await Bench().sent("text", **content)


async def test_a_template_is_filled() -> None:
    """In order or by name; headers and buttons go as they are."""
    header = {"type": "header", "parameters": [{"type": "image", "image": {"id": "1"}}]}
    template = Template("order_update", "en_US", ("Ana", "12"), (header,))
    told = await Bench().sent("", template=template)
    assert told["template"] == {
        "name": "order_update",
        "language": {"code": "en_US"},
        "components": [
            header,
            {
                "type": "body",
                "parameters": [{"type": "text", "text": "Ana"}, {"type": "text", "text": "12"}],
            },
        ],
    }
    named = await Bench().sent("", template=Template("order_update", "en_US", {"name": "Ana"}))
    (body,) = named["template"]["components"]
    assert body["parameters"] == [{"type": "text", "parameter_name": "name", "text": "Ana"}]


async def test_forms_of_the_channel() -> None:
    """Buttons are interactive, a place is a type of its own, an answer names its message."""
    buttons = {"type": "button", "body": {"text": "?"}, "action": {"buttons": []}}
    told = await Bench().sent("", interactive=buttons, reply_to="wamid.1")
    assert (told["interactive"], told["context"]) == (buttons, {"message_id": "wamid.1"})
    place = {"type": "location", "location": {"latitude": 1, "longitude": 2}}
    assert (await Bench().sent("", interactive=place))["location"] == place["location"]


async def test_a_paused_template_and_a_wrong_count_are_told_apart() -> None:
    """Both are faults of the content: another carrier would not take them either."""
    bench = Bench()
    for name, parameters, code in (("spring_sale", ("A",), "132015"), ("login_code", (), "132000")):
        content = Content(template=Template(name, "en_US", parameters))
        one = submission("", content=content)
        verdict = bench.dialect.read(one, await bench.wire.ask(await bench.dialect.request(one)))
        assert (verdict.error_class, verdict.code) == (ErrorClass.CONTENT, code)


async def test_the_window_closes_after_a_day() -> None:
    """Inside of it all is taken, outside only templates; the refusal says what to do."""
    bench = Bench(pair_seconds=0)
    bench.far_side.enforces_window = True
    one = submission()

    async def send() -> Any:
        return bench.dialect.read(one, await bench.wire.ask(await bench.dialect.request(one)))

    assert (await send()).error_code == "outside_window"
    assert "send a template" in ((await send()).detail or "")
    bench.far_side.inbound(one.recipient, "", "hello", CALLBACK)
    assert (await send()).kind is OutcomeKind.ACCEPTED
    await bench.clock.advance(24 * 3600)
    assert (await send()).code == "131047"


async def test_one_person_is_not_hurried() -> None:
    """A second message within six seconds waits, alone; others go on."""
    bench = Bench(pair_seconds=6)
    await bench.dialect.request(submission())
    with pytest.raises(CannotSendError) as held:
        await bench.dialect.request(submission())
    verdict = held.value.verdict
    assert (verdict.retry_after_seconds, verdict.holds) == (6, False)
    await bench.dialect.request(submission(recipient="+15551231235"))
    await bench.clock.advance(6)
    await bench.dialect.request(submission())


@pytest.mark.parametrize(("throttled", "seconds"), [(0, 6), (1, 16), (2, 64), (9, 1024)])
async def test_the_pair_rate_backs_off(throttled: int, seconds: float) -> None:
    """Each refusal for one person waits four times longer."""
    one = submission(throttled=throttled)
    verdict = Bench().dialect.read(one, answer(400, {"code": 131056, "message": "pair"}))
    assert (verdict.error_class, verdict.retry_after_seconds) == (ErrorClass.THROTTLE, seconds)


async def test_calls_that_are_used_up_name_their_wait() -> None:
    """The usage header tells minutes; without it a minute is waited."""
    usage = '{"1":[{"call_count":100,"estimated_time_to_regain_access":9}]}'
    dialect, one, error = Bench().dialect, submission(), {"code": 80007, "message": "limit"}
    told = dialect.read(one, answer(400, error, x_business_use_case_usage=usage))
    assert told.retry_after_seconds == 540
    assert dialect.read(one, answer(400, error)).retry_after_seconds == 60


CLASSES = {
    ErrorClass.RECIPIENT: (131026, 131021, 131030, 131050, 130472, 131049, 137000, 131062),
    ErrorClass.CONFIG: (0, 3, 10, 200, 299, 190, 33, 100, 368, 131005, 131031, 131037, 131042,
                        131044, 131045, 131063, 130497, 133010, 135000),
    ErrorClass.CONTENT: (131008, 131009, 131047, 131051, 131053, 132000, 132001, 132005, 132007,
                         132008, 132012, 132015, 132016, 132068),
    ErrorClass.THROTTLE: (4, 80007, 130429, 131048, 131056, 131064, 132069, 133016),
    ErrorClass.CARRIER: (1, 2, 131000, 131016, 131052, 131057),
}  # fmt: skip


@pytest.mark.parametrize("kind", CLASSES)
async def test_every_code_has_its_class(kind: str) -> None:
    """Refused for the person, the content or the account; deferred for speed and passing faults."""
    dialect = Bench().dialect
    for code in CLASSES[kind]:
        status = {131000: 500, 2: 503, 130429: 429}.get(code, 400)
        verdict = dialect.read(submission(), answer(status, {"code": code, "message": "m"}))
        assert (verdict.error_class, verdict.code) == (kind, str(code))


def test_no_code_is_left_out() -> None:
    """The classes above name every code of the table, but for the permissions between two ends."""
    listed = {str(code) for codes in CLASSES.values() for code in codes}
    assert set(MAKERS) - listed == {str(code) for code in range(201, 299)}


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (500, b"<html>", OutcomeKind.UNKNOWN),
        (200, b"{", OutcomeKind.UNKNOWN),
        (200, b'{"messages":[]}', OutcomeKind.UNKNOWN),
        (502, b'{"error":{"code":131000}}', OutcomeKind.UNKNOWN),
        (400, b'{"error":{"code":999999,"is_transient":true}}', OutcomeKind.DEFERRED),
        (400, b'{"error":{"code":999999}}', OutcomeKind.REFUSED),
        (401, b"", OutcomeKind.REFUSED),
    ],
)
def test_answers_that_say_little(status: int, body: bytes, kind: OutcomeKind) -> None:
    """Whether it can have been sent decides; an unknown code goes by its HTTP status."""
    assert Bench().dialect.read(submission(), Answer(status, {}, body)).kind is kind


async def test_credentials_are_checked() -> None:
    """A good token passes; a bad one is said to be so."""
    assert await Bench().dialect.check() is None
    assert "Invalid OAuth" in (await Bench(access_token="wrong").dialect.check() or "")


@pytest.mark.parametrize(
    ("state", "error", "wanted"),
    [
        (State.ACCEPTED, "", ReceiptState.ENROUTE),
        (State.DELIVERED, "", ReceiptState.DELIVERED),
        (State.READ, "", ReceiptState.READ),
        (State.UNDELIVERED, "003", ReceiptState.UNDELIVERABLE),
        (State.UNDELIVERED, "034", ReceiptState.REJECTED),
    ],
)
async def test_statuses(state: State, error: str, wanted: ReceiptState) -> None:
    """Each status is a receipt, matched by the id of the message and by our own."""
    bench = Bench()
    one = submission()
    await bench.wire.ask(await bench.dialect.request(one))
    made = bench.far_side.receipt(bench.wire.submitted[0], state, error, CALLBACK)
    assert made is not None
    (receipt,) = (await bench.calls.read(call_of(made))).receipts
    assert (receipt.state, receipt.message_id) == (wanted, one.message_id)
    assert receipt.match_keys == (bench.wire.submitted[0].id,)
    assert receipt.sender == one.recipient
    assert bool(receipt.error) is (state is State.UNDELIVERED)


async def test_an_unknown_status_is_kept() -> None:
    """A word that is yet to be invented changes nothing and is lost by nobody."""
    bench = Bench()
    value = {"statuses": [{"id": "wamid.9", "status": "teleported", "recipient_id": "1"}]}
    news = await bench.calls.read(call_of(bench.far_side.news("messages", value, CALLBACK)))
    (receipt,) = news.receipts
    assert (receipt.state, receipt.word) == (ReceiptState.NONE, "teleported")
    assert "teleported" in receipt.raw


async def test_a_text_of_a_person() -> None:
    """Its id, its words, the name that the person has given."""
    (inbound,) = (await Bench().said({"type": "text", "text": {"body": "Grüezi 👋"}})).inbounds
    assert inbound.fragment.octets.decode("utf-16-be") == "Grüezi 👋"
    assert (inbound.sender, inbound.recipient) == ("+16505551234", "+15550783881")
    assert inbound.carrier_message_id.startswith("wamid.")
    assert inbound.content is not None
    assert (inbound.channel, inbound.content.profile) == ("whatsapp", "Ana")


@pytest.mark.parametrize(
    ("message", "text", "content"),
    [
        (
            {"type": "image", "image": {"id": "77", "mime_type": "image/jpeg", "caption": "see"}},
            "see",
            {"media": (Media("77", "image/jpeg"),)},
        ),
        (
            {"type": "document", "document": {"id": "78", "filename": "a.pdf"}},
            "",
            {"media": (Media("78", None, "a.pdf"),)},
        ),
        ({"type": "button", "button": {"text": "Yes", "payload": "Y"}}, "Yes", {"payload": "Y"}),
        (
            {"type": "reaction", "reaction": {"message_id": "wamid.4", "emoji": "👍"}},
            "👍",
            {"reply_to": "wamid.4"},
        ),
        (
            {"type": "text", "text": {"body": "re"}, "context": {"id": "wamid.5"}},
            "re",
            {"reply_to": "wamid.5"},
        ),
        (
            {"type": "location", "location": {"latitude": 1.5, "longitude": 2}},
            "",
            {"interactive": {"type": "location", "location": {"latitude": 1.5, "longitude": 2}}},
        ),
        (
            {"type": "unsupported", "errors": [{"code": 131051}]},
            "",
            {"interactive": {"type": "unsupported", "unsupported": None}},
        ),
    ],
)
async def test_messages_of_every_type(
    message: dict[str, Any], text: str, content: dict[str, Any]
) -> None:
    """What is text becomes text; all else is kept beside it."""
    (inbound,) = (await Bench().said(message)).inbounds
    assert inbound.fragment.octets.decode("utf-16-be") == text
    assert inbound.content == Content(profile="Ana", **content)


async def test_a_choice_from_a_list() -> None:
    """Its title is the text, its id the payload."""
    chosen = {"type": "list_reply", "list_reply": {"id": "r2", "title": "Red"}}
    news = await Bench().said({"type": "interactive", "interactive": chosen})
    (inbound,) = news.inbounds
    assert inbound.content is not None
    assert inbound.fragment.octets.decode("utf-16-be") == "Red"
    assert (inbound.content.payload, inbound.content.interactive) == ("r2", chosen)


async def test_news_of_templates_and_people() -> None:
    """A template that was paused, and a person who wants no marketing."""
    bench = Bench()
    paused = {"event": "PAUSED", "message_template_name": "spring_sale"}
    made = bench.far_side.news("message_template_status_update", paused, CALLBACK)
    assert (await bench.calls.read(call_of(made))).notices == [
        {"type": "template_status", **paused}
    ]
    wish = {"user_preferences": [{"wa_id": "16505551234", "value": "stop"}]}
    made = bench.far_side.news("user_preferences", wish, CALLBACK)
    (notice,) = (await bench.calls.read(call_of(made))).notices
    assert (notice["type"], notice["from"]) == ("opt_out", "+16505551234")


async def test_the_challenge_is_answered() -> None:
    """With our token only."""
    bench = Bench()
    news = await bench.calls.read(call_of(bench.far_side.challenge(CALLBACK)))
    assert news.reply.body == b"1158201444"
    with pytest.raises(CallRefusedError) as refused:
        await bench.calls.read(call_of(bench.far_side.challenge(CALLBACK, "guess")))
    assert refused.value.status == 403


SIGNED = b'{"object":"whatsapp_business_account","entry":[{"id":"1","changes":[]}],"x":"\\u00e9"}'


async def test_the_signature_is_over_the_octets() -> None:
    """The known one passes; another, none, or no secret to check it by does not."""
    digest = "9075f3abed8923cdbb819e8362517ed164460e23d033f5dd481c694a66e6f088"
    call = Call("POST", CALLBACK, "", {"x-hub-signature-256": f"sha256={digest}"}, SIGNED, NOW)
    assert hmac.new(b"app_secret", SIGNED, hashlib.sha256).hexdigest() == digest
    assert (await Bench(app_secret="app_secret").calls.read(call)).receipts == []
    for bad in (
        replace(call, headers={}),
        replace(call, headers={"x-hub-signature-256": f"sha256={'0' * 64}"}),
        replace(call, body=SIGNED.replace(b"\\u00e9", "é".encode())),
    ):
        with pytest.raises(CallRefusedError):
            await Bench(app_secret="app_secret").calls.read(bad)
    with pytest.raises(CallRefusedError):
        await Bench(app_secret="").calls.read(call)


async def test_a_call_twice_is_the_same_news() -> None:
    """Meta repeats what it got no answer for: days later the signature still holds."""
    bench = Bench()
    made = bench.far_side.say("+16505551234", {"type": "text", "text": {"body": "x"}}, CALLBACK)
    first, second = [
        (await bench.calls.read(call_of(made, at))).inbounds[0].carrier_message_id
        for at in (NOW, NOW + timedelta(days=6))
    ]
    assert first == second
