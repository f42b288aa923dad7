"""What a provider's API is, without any I/O: requests out of submissions, verdicts out of answers.

The engine (`carrier.py`) sends, times and counts.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from email.utils import parsedate_to_datetime
from math import isfinite
from typing import Any, Final, Protocol

import orjson

from onesixty.carriers.contract import ErrorClass, OutcomeKind, Price, Submission
from onesixty.kit.clock import Clock

THROTTLE_SECONDS_MOST: Final = 3600.0


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Answer:
    """What it was answered, read whole."""

    status: int
    headers: Mapping[str, str]  # names in lower case
    body: bytes

    def json(self) -> Any:
        """The body as JSON; None when it is none."""
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError:
            return None


class NotSentError(Exception):
    """Nothing left us: no name, no connection, no TLS. Worth another try at once elsewhere."""


class NoAnswerError(Exception):
    """The request left, and no whole answer came: it may have been carried out."""


# Sends one request and gives its answer. Raises NotSentError or NoAnswerError; never tries twice.
Ask = Callable[[Request], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an answer says of the submission. The first five fields go into its Outcome."""

    kind: OutcomeKind
    error_code: str | None = None  # ours: "recipient_refused", "carrier_refused", ...
    error_class: str | None = None  # ErrorClass; None only when it was accepted
    detail: str | None = None  # for people; the provider's words, without secrets
    code: str = ""  # the provider's own code, such as "21211"
    carrier_message_id: str = ""
    match_key: str = ""  # what receipts will be matched by; the id itself where this is empty
    # Ids of every part, where the provider tells each its own (Vonage's SMS API); else empty.
    part_ids: tuple[str, ...] = ()
    retry_after_seconds: float | None = None
    price: Price | None = None
    holds: bool = True  # a wait that it asks for is for all messages; False: for this one alone


class CannotSendError(Exception):
    """The provider will not have the request, which is known before it is made.

    Such as when it refuses the credentials for an access token.
    """

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(verdict.detail)
        self.verdict = verdict


class Dialect(Protocol):
    """One provider's API, configured with a carrier's settings."""

    async def request(self, one: Submission) -> Request:
        """The request that sends it, in full; one request sends one message.

        May ask the far side for an access token first, by the `Ask` that it was built with; what
        that raises may pass. Raises ValueError with a reason for people when this provider cannot
        send such a message, and CannotSendError with what else is known.
        """
        ...

    def read(self, one: Submission, answer: Answer) -> Verdict:
        """What became of it. Any answer must be read: HTML, half a body, an unknown code."""
        ...

    async def check(self) -> str | None:
        """Whether the credentials are good: None, or what is wrong. Sends no message."""
        ...


def accepted(carrier_message_id: str, **more: Any) -> Verdict:
    """The provider has it."""
    return Verdict(OutcomeKind.ACCEPTED, carrier_message_id=carrier_message_id, **more)


def recipient(code: str, detail: str) -> Verdict:
    """PR: this number will not work, whoever carries it."""
    return Verdict(OutcomeKind.REFUSED, "recipient_refused", ErrorClass.RECIPIENT, detail, code)


def opted_out(code: str, detail: str) -> Verdict:
    """This person wants nothing from this sender: no carrier may be tried after it."""
    return Verdict(OutcomeKind.REFUSED, "opted_out", ErrorClass.RECIPIENT, detail, code)


def content(code: str, detail: str) -> Verdict:
    """The text, the media or the template is refused; other carriers would not take it either."""
    return Verdict(OutcomeKind.REFUSED, "content_refused", ErrorClass.CONTENT, detail, code)


def config(code: str, detail: str) -> Verdict:
    """PC: our account, sender or settings there are wrong; another carrier may do."""
    return Verdict(OutcomeKind.REFUSED, "carrier_refused", ErrorClass.CONFIG, detail, code)


def throttled(code: str, detail: str, retry_after_seconds: float | None = None) -> Verdict:
    """TH: too fast. The message keeps its place."""
    return Verdict(
        OutcomeKind.DEFERRED, "carrier_throttled", ErrorClass.THROTTLE, detail, code,
        retry_after_seconds=retry_after_seconds,
    )  # fmt: skip


def transient(code: str, detail: str, retry_after_seconds: float | None = None) -> Verdict:
    """TR: the provider certainly did not take it; worth another try, here or elsewhere."""
    return Verdict(
        OutcomeKind.DEFERRED, "carrier_error", ErrorClass.CARRIER, detail, code,
        retry_after_seconds=retry_after_seconds,
    )  # fmt: skip


def unknown(code: str, detail: str) -> Verdict:
    """UN: it may have been sent; never tried again blindly."""
    return Verdict(OutcomeKind.UNKNOWN, "no_answer", ErrorClass.CARRIER, detail, code)


def by_status(answer: Answer, *, clock: Clock, is_theirs: bool, detail: str = "") -> Verdict:
    """What an HTTP status says where nothing more is known.

    `is_theirs`: the body is of the provider's own error shape. A 500 or 503 is then certain not to
    have sent anything; without it a gateway on the way may have said so, and nobody knows.
    """
    status, words = answer.status, detail or f"HTTP {answer.status}"
    code = str(status)
    if status in (401, 403):
        return config(code, words)
    if status == 429:
        return throttled(code, words, retry_after(answer, clock))
    if status in (408, 502, 504) or (status >= 500 and not is_theirs) or status < 400:
        return unknown(code, words)
    if status >= 500:
        return transient(code, words, retry_after(answer, clock))
    return config(code, words)


def by_code(
    codes: Mapping[str, Callable[[str, str], Verdict]],
    code: str,
    answer: Answer,
    *,
    clock: Clock,
    detail: str,
) -> Verdict:
    """What a provider's own error code says; one that `codes` lacks is read by its HTTP status.

    A 408, 502 or 504 stays unknown, whatever its body says.
    """
    maker = codes.get(code)
    if maker is None or answer.status in (408, 502, 504):
        return replace(by_status(answer, clock=clock, is_theirs=True, detail=detail), code=code)
    verdict = maker(code, detail)
    if verdict.kind is not OutcomeKind.DEFERRED:
        return verdict
    return replace(verdict, retry_after_seconds=retry_after(answer, clock))


def class_of(codes: Mapping[str, Callable[[str, str], Verdict]], code: str) -> str:
    """Whose fault a failure with this code is, as ErrorClass; "" where the table lacks it."""
    maker = codes.get(code)
    return (maker(code, "").error_class if maker else None) or ""


def retry_after(answer: Answer, clock: Clock) -> float | None:
    """Seconds of a Retry-After header (RFC 9110, 10.2.3: seconds or a date), or None."""
    text = answer.headers.get("retry-after", "").strip()
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(text) - clock.now()).total_seconds()
        except (ValueError, TypeError, OverflowError):
            return None
    return min(max(seconds, 0.0), THROTTLE_SECONDS_MOST) if isfinite(seconds) else None
