"""Error codes of the WhatsApp Business Cloud API, each with what it means for the message."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from onesixty.carriers.http.dialect import (
    Verdict,
    config,
    content,
    opted_out,
    recipient,
    throttled,
    transient,
)

Maker = Callable[[str, str], Verdict]
SPAM_SECONDS: Final = 300.0  # after "too many of your messages were reported": the number rests
CALLS_SECONDS: Final = 60.0  # after the calls of the app, or of the account, are used up
MAINTENANCE_SECONDS: Final = 60.0
PAIR_SECONDS: Final = 6.0  # one message to the same person


def _outside_window(code: str, detail: str) -> Verdict:
    advice = "the person has not written for 24 hours: send a template"
    return replace(content(code, f"{detail}; {advice}"), error_code="outside_window")


def _later(seconds: float) -> Maker:
    def make(code: str, detail: str) -> Verdict:
        return throttled(code, detail, seconds)

    return make


def _pair(code: str, detail: str) -> Verdict:
    # This person alone: the others' messages do not wait for it.
    return replace(throttled(code, detail, PAIR_SECONDS), holds=False)


def _maintenance(code: str, detail: str) -> Verdict:
    return transient(code, detail, MAINTENANCE_SECONDS)


_PERSON: Final = (131026, 131021, 131030, 130472, 131049, 137000, 131062)
_ACCOUNT: Final = (
    0, 3, 10, 33, 100, 190, 368, *range(200, 300), 130497, 131005, 131031, 131037, 131042, 131044,
    131045, 131063, 133010, 135000,
)  # fmt: skip
_TEXT: Final = (
    131008, 131009, 131051, 131053, 132000, 132001, 132005, 132007, 132008, 132012, 132015, 132016,
    132068,
)  # fmt: skip
_PASSING: Final = (1, 2, 131000, 131016, 131052)
MAKERS: Final[Mapping[str, Maker]] = {
    **{str(code): recipient for code in _PERSON},
    **{str(code): config for code in _ACCOUNT},
    **{str(code): content for code in _TEXT},
    **{str(code): transient for code in _PASSING},
    "131047": _outside_window,
    "131050": opted_out,
    "131057": _maintenance,
    "131056": _pair,
    "131048": _later(SPAM_SECONDS),
    "4": _later(CALLS_SECONDS),
    "80007": _later(CALLS_SECONDS),
    "131064": _later(SPAM_SECONDS),
    "130429": throttled,
    "132069": throttled,
    "133016": throttled,
}
# With these a message that was taken ends as rejected; with all others as undelivered.
REJECTED: Final = frozenset(str(code) for code in (*_ACCOUNT, *_TEXT, 131047, 131050, 131049))
