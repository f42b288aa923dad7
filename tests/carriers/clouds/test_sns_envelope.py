"""Envelopes of SNS: which topics, signatures, certificates and hosts count."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import orjson
import pytest

from carriers.aggregators.wire import CALLBACK, NOW, Wire, call_of, config
from onesixty.carriers.clouds.aws_sms import SPEC
from onesixty.carriers.clouds.sns_envelope import Envelopes
from onesixty.carriers.contract import Call, CallRefusedError
from onesixty.carriers.http.dialect import Answer, NotSentError, Request
from onesixty.kit.manual_clock import ManualClock
from onesixty.simulator.http import aws
from onesixty.simulator.http.aws_sms import AwsSmsFarSide
from onesixty.simulator.http.far_side import CallbackRequest

AWS = "https://sns.us-east-1.amazonaws.com"
URL = f"{CALLBACK}/status"


class Scene:
    """A topic at AWS's own address, and the reader of a carrier; `asked` are the URLs it called."""

    def __init__(self, version: str = "1", at: datetime = NOW, **settings: Any) -> None:
        clock = ManualClock(at)
        far_side = AwsSmsFarSide(ManualClock())
        far_side.topic = self.topic = aws.Topic(ManualClock(), version=version)
        self.topic.url = AWS
        self._wire = Wire(far_side)
        given = {**AwsSmsFarSide.credentials, **settings}
        self.envelopes = Envelopes(config(SPEC, given, clock), self._ask)
        self.down = False

    @property
    def asked(self) -> list[str]:
        """The URLs that were called."""
        return [request.url for request in self._wire.requests]

    async def open(self, made: CallbackRequest, **changed: Any) -> Any:
        """What the reader makes of a call, some fields of whose envelope were changed."""
        envelope = orjson.loads(made.body) | changed
        body = orjson.dumps({name: value for name, value in envelope.items() if value is not None})
        return await self.envelopes.open(call_of(replace(made, body=body)))

    async def refused(self, made: CallbackRequest, **changed: Any) -> tuple[str, int]:
        """Why it refuses that, and with which status."""
        with pytest.raises(CallRefusedError) as refusal:
            await self.open(made, **changed)
        return refusal.value.reason, refusal.value.status

    async def _ask(self, request: Request) -> Answer:
        if self.down:
            raise NotSentError("no connection")
        return await self._wire.ask(request)


@pytest.mark.parametrize("version", ["1", "2"])
async def test_both_signatures_count_and_the_certificate_is_fetched_once(version: str) -> None:
    """SHA-1 and SHA-256."""
    scene = Scene(version)
    for number in range(3):
        message, news = await scene.open(scene.topic.notification(URL, {"n": number}))
        assert (message, news.notices) == ({"n": number}, [])
    assert scene.asked == [AWS + scene.topic.path]


async def test_a_subject_is_signed_where_there_is_one() -> None:
    """One that was put in later spoils the signature."""
    scene = Scene()
    made = scene.topic._call(URL, "Notification", Message="{}", Subject="hello")
    assert (await scene.open(made))[0] == {}
    assert (await scene.refused(made, Subject="other"))[1] == 401
    plain = scene.topic.notification(URL, {})
    assert (await scene.refused(plain, Subject="hello"))[1] == 401


@pytest.mark.parametrize(
    "changed",
    [
        {"Message": "{}"},
        {"MessageId": "another"},
        {"Timestamp": "2026-01-01T00:00:01.000Z"},
        {"SignatureVersion": "2"},
        {"SignatureVersion": "3"},
        {"SignatureVersion": None},
        {"Signature": "AAAA"},
        {"Signature": "not base64"},
        {"Signature": None},
    ],
    ids=str,
)
async def test_what_was_changed_is_refused(changed: dict[str, Any]) -> None:
    """Every signed field and the signature itself."""
    scene = Scene()
    assert (await scene.refused(scene.topic.notification(URL, {"a": 1}), **changed))[1] == 401


async def test_only_topics_of_the_settings_may_call() -> None:
    """Another is refused before anything is fetched, and its ARN is told."""
    for topics in ("", "arn:aws:sns:us-east-1:1:other"):
        scene = Scene(topic_arns=topics)
        reason, status = await scene.refused(scene.topic.notification(URL, {}))
        assert (aws.TOPIC_ARN in reason, status) == (True, 401)
        assert scene.asked == []
    scene = Scene(topic_arns=f"arn:aws:sns:us-east-1:1:other, {aws.TOPIC_ARN}")
    assert (await scene.open(scene.topic.notification(URL, 7)))[0] == 7


@pytest.mark.parametrize(
    "url",
    [
        "http://sns.us-east-1.amazonaws.com/x.pem",
        "https://sns.us-east-1.amazonaws.com/x.txt",
        "https://sns.us-east-1.amazonaws.com.example.com/x.pem",
        "https://sns.us-east-1.amazonaws.com:8443/x.pem",
        "https://user@sns.us-east-1.amazonaws.com/x.pem",
        "https://example.com/sns.us-east-1.amazonaws.com/x.pem",
        "https://s3.us-east-1.amazonaws.com/x.pem",
        "https://sns..amazonaws.com/x.pem",
        "https://127.0.0.1/x.pem",
        "https://[/x.pem",
        "",
        None,
    ],
)
async def test_certificates_come_from_aws_alone(url: str | None) -> None:
    """No other address is ever called, however it looks."""
    scene = Scene()
    made = scene.topic.notification(URL, {})
    assert (await scene.refused(made, SigningCertURL=url))[1] == 401
    assert scene.asked == []


async def test_certificates_come_from_where_base_url_says_sns_is() -> None:
    """As for a simulator: the same scheme, host and port."""
    scene = Scene(base_url="http://127.0.0.1:4566/")
    scene.topic.url = "http://127.0.0.1:4566"
    assert (await scene.open(scene.topic.notification(URL, {})))[0] == {}
    scene.topic.url = "http://127.0.0.1:4567"
    assert (await scene.refused(scene.topic.notification(URL, {})))[1] == 401


@pytest.mark.parametrize(
    ("later", "reason"),
    [
        (timedelta(minutes=70), "signed 4200 s ago"),
        (timedelta(minutes=-10), "signed -600 s ago"),
    ],
)
async def test_old_envelopes_are_refused(later: timedelta, reason: str) -> None:
    """SNS itself tries for an hour at most."""
    scene = Scene(at=NOW + later)
    assert reason in (await scene.refused(scene.topic.notification(URL, {})))[0]
    scene = Scene(at=NOW + timedelta(minutes=59))
    assert (await scene.open(scene.topic.notification(URL, {})))[0] == {}


async def test_a_certificate_counts_only_while_it_is_valid() -> None:
    """Even when it was fetched before it ended."""
    scene = Scene()
    made = scene.topic.notification(URL, {})
    await scene.open(made)
    (known,) = scene.envelopes._certificates.values()
    scene.envelopes._certificates[AWS + scene.topic.path] = replace(known, not_after=NOW)
    assert (await scene.open(made))[0] == {}
    old = replace(known, not_after=NOW - timedelta(seconds=1))
    scene.envelopes._certificates[AWS + scene.topic.path] = old
    assert "not valid now" in (await scene.refused(made))[0]


@pytest.mark.parametrize("body", [b"-----BEGIN", b"<html></html>"])
async def test_what_is_no_certificate_is_not_kept(body: bytes) -> None:
    """SNS shall come again."""
    scene = Scene()

    async def fetch(request: Request) -> Answer:
        return Answer(200, {}, body)

    reader = Envelopes(config(SPEC, AwsSmsFarSide.credentials), fetch)
    with pytest.raises(CallRefusedError) as refusal:
        await reader.open(call_of(scene.topic.notification(URL, {})))
    assert (refusal.value.status, len(reader._certificates)) == (503, 0)


async def test_sns_shall_come_again_when_it_cannot_be_asked() -> None:
    """A connection that fails is nobody's wrong signature."""
    scene = Scene()
    made = scene.topic.notification(URL, {})
    scene.down = True
    assert (await scene.refused(made))[1] == 503
    scene.down = False
    assert (await scene.open(made))[0] == {}


async def test_a_subscription_is_confirmed_after_its_signature_was_checked() -> None:
    """By the URL that it brings; operators are told."""
    scene = Scene()
    message, news = await scene.open(scene.topic.confirmation(URL))
    assert message is None
    assert news.notices == [{"type": "topic_subscribed", "topic_arn": aws.TOPIC_ARN}]
    assert len(scene.topic.confirmed) == 1
    assert scene.asked[0].endswith(".pem")


async def test_no_subscription_is_confirmed_for_others() -> None:
    """A changed URL or token spoils the signature; a signed one at another host is not called."""
    scene = Scene()
    made = scene.topic.confirmation(URL)
    for changed in ({"SubscribeURL": "https://example.com/"}, {"Token": "x"}, {"Signature": None}):
        assert (await scene.refused(made, **changed))[1] == 401
    assert (await scene.refused(made, SubscribeURL=None))[1] == 400
    signed = scene.topic._call(
        URL, "SubscriptionConfirmation", Message="", SubscribeURL="https://10.0.0.1/", Token="t"
    )
    assert "is not a host of SNS" in (await scene.refused(signed))[0]
    assert scene.topic.confirmed == []
    assert {url.partition("?")[0] for url in scene.asked} == {AWS + scene.topic.path}


async def test_the_end_of_a_subscription_is_told() -> None:
    """And not undone: nothing is called."""
    scene = Scene()
    news = (await scene.open(scene.topic.confirmation(URL, "UnsubscribeConfirmation")))[1]
    assert news.notices == [{"type": "topic_unsubscribed", "topic_arn": aws.TOPIC_ARN}]
    assert scene.topic.confirmed == []


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"7", b"{}", b'{"Type":"Other"}', b"\xff", b'{"Type":7}']
)
async def test_what_is_no_envelope_cannot_be_read(body: bytes) -> None:
    """Whatever is in it."""
    call = Call("POST", URL, "status", {}, body, NOW)
    with pytest.raises(CallRefusedError) as refusal:
        await Scene().envelopes.open(call)
    assert refusal.value.status == 400


async def test_a_message_that_is_no_json_tells_nothing() -> None:
    """As when somebody tries the topic by hand."""
    scene = Scene()
    made = scene.topic._call(URL, "Notification", Message="hello")
    assert (await scene.open(made))[0] is None
