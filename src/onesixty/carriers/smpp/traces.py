"""What went over the sessions of this process lately, as JSON for whoever may see it."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, Final

from onesixty.carriers.smpp.explain import explain
from onesixty.kit.clock import Clock
from onesixty.smpp.trace.capture import Entry, Kind, Wiretap

Find = Callable[[str, int], Sequence[Wiretap]]
"""The sessions here of a carrier or ESME: `("carrier", 7)`."""
BREATH: Final = 5
"""PDUs that are explained in one go: each takes up to 0.4 ms, and the walk waits meanwhile."""


class Traces:
    """Answers questions of the form

    `{"of": "carrier", "id": 7, "after": {"3": 12.5}, "node": 3, "limit": 100, "show_text": false}`,
    where `after` has for each process the moment up to which it told already.
    """

    def __init__(self, clock: Clock, number: int, find: Find) -> None:
        """`number`: of this process."""
        self._clock, self._number, self._find = clock, number, find

    async def answer(self, question: dict[str, Any]) -> dict[str, Any]:
        """`{"until": 13.5, "left_out": 0, "data": [...]}`, the newest `limit` and oldest first."""
        until = self._clock.monotonic()
        began = self._clock.now() - timedelta(seconds=until)
        after = question["after"].get(str(self._number), float("-inf"))
        taps = self._find(question["of"], question["id"])
        found = sorted(
            ((tap.session, entry) for tap in taps for entry in tap.capture.entries(after)),
            key=lambda one: one[1].at,
        )
        kept = found[-question["limit"] :]
        told = []
        for number, (session, entry) in enumerate(kept):
            if number % BREATH == BREATH - 1:
                await asyncio.sleep(0)
            at = (began + timedelta(seconds=entry.at)).isoformat(timespec="microseconds")
            time = at.replace("+00:00", "Z")
            told.append(
                {"time": time, "session": session, "process": self._number}
                | _told(entry, show_text=question["show_text"])
            )
        return {"until": until, "left_out": len(found) - len(kept), "data": told}


def _told(entry: Entry, *, show_text: bool) -> dict[str, Any]:
    if entry.kind in (Kind.IN, Kind.OUT):
        return {"kind": entry.kind.name.lower()} | explain(entry.octets, show_text=show_text)
    return {"kind": entry.kind.name.lower(), "detail": entry.octets.decode(errors="replace")}
