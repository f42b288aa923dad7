"""The far side of each kind of carrier, and how to make it misbehave.

A new kind of carrier needs a peer here; the suite then holds it to the contract.
"""

from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum
from typing import Any, ClassVar, Protocol

from onesixty.carriers import registry
from onesixty.carriers.contract import Carrier, CarrierConfig
from onesixty.kit.chance import Chance
from onesixty.kit.clock import Clock
from onesixty.simulator.fault_words import Share, Span
from onesixty.simulator.faults import Faults, LinkDrop
from onesixty.simulator.smsc import Smsc

SOMEBODY = "+447700900000"
RESPONSE_SECONDS = 0.2


class Behaviour(StrEnum):
    """What the far side does with submits."""

    GOOD = "good"
    SLOW = "slow"
    SILENT = "silent"
    FORGETFUL = "forgetful"
    LATE = "late"
    REPEATING = "repeating"
    CONFUSED = "confused"
    THROTTLING = "throttling"
    SOMETIMES_THROTTLING = "sometimes throttling"
    REFUSING = "refusing"
    CUTTING_BEFORE = "cutting the link before an answer"
    CUTTING_AFTER = "cutting the link after an answer"
    CUTTING_WITHIN = "cutting the link within an answer"
    STAMMERING = "stammering"


class Peer(Protocol):
    """A far side that is ready to be connected to."""

    behaviours: ClassVar[frozenset[Behaviour]]
    recipient: str  # whom to send to, so that it behaves as it was told

    async def start(self, clock: Clock, chance: Chance) -> None:
        """Get ready."""
        ...

    async def stop(self) -> None:
        """Be gone."""
        ...

    def behave(self, behaviour: Behaviour) -> None:
        """From now on."""
        ...

    def settings(self) -> Mapping[str, Any]:
        """What a carrier needs to be told to connect here, beyond the defaults."""
        ...


class LoopbackPeer:
    """There is no far side: the recipient's number chooses."""

    behaviours: ClassVar = frozenset(
        {Behaviour.GOOD, Behaviour.SILENT, Behaviour.THROTTLING, Behaviour.REFUSING}
    )
    _NUMBERS: ClassVar = {
        Behaviour.GOOD: SOMEBODY,
        Behaviour.SILENT: "+15005550108",
        Behaviour.THROTTLING: "+15005550113",
        Behaviour.REFUSING: "+15005550117",
    }

    def __init__(self) -> None:
        self.recipient = SOMEBODY

    async def start(self, clock: Clock, chance: Chance) -> None:
        """Nothing to start."""

    async def stop(self) -> None:
        """Nothing to stop."""

    def behave(self, behaviour: Behaviour) -> None:
        """Choose the number."""
        self.recipient = self._NUMBERS[behaviour]

    def settings(self) -> Mapping[str, Any]:
        """A window like that of the others."""
        return {"window": 10, "response_seconds": RESPONSE_SECONDS}


class SmppPeer:
    """The simulated SMSC on a socket."""

    behaviours: ClassVar = frozenset(Behaviour)
    recipient = SOMEBODY
    _CUT: ClassVar = Faults(drop_link_after=7)
    _FAULTS: ClassVar = {
        Behaviour.GOOD: Faults(),
        Behaviour.SLOW: Faults(answer_delay_seconds=Span(0.0, RESPONSE_SECONDS / 2)),
        Behaviour.SILENT: Faults(drop_answers=Share(every=1)),
        Behaviour.FORGETFUL: Faults(drop_answers=Share(every=3)),
        Behaviour.LATE: Faults(late_answers=Share(every=2), late_answer_seconds=0.5),
        Behaviour.REPEATING: Faults(duplicate_answers=Share(every=1)),
        Behaviour.CONFUSED: Faults(wrong_sequence=Share(every=3)),
        Behaviour.THROTTLING: Faults(refuse=Share(every=1), refuse_status=0x58),
        Behaviour.SOMETIMES_THROTTLING: Faults(refuse=Share(every=2), refuse_status=0x58),
        Behaviour.REFUSING: Faults(refuse=Share(every=1), refuse_status=0x0B),
        Behaviour.CUTTING_BEFORE: _CUT,
        Behaviour.CUTTING_AFTER: replace(_CUT, drop_link_when=LinkDrop.AFTER_ANSWER),
        Behaviour.CUTTING_WITHIN: replace(_CUT, drop_link_when=LinkDrop.HALF_ANSWER),
        Behaviour.STAMMERING: Faults(split_writes=True, unknown_tlvs=True),
    }

    async def start(self, clock: Clock, chance: Chance) -> None:
        """Listen on a free port."""
        self.smsc = Smsc(clock=clock, chance=chance, record=True)
        self._port = await self.smsc.start(port=0)

    async def stop(self) -> None:
        """Close."""
        await self.smsc.stop()

    def behave(self, behaviour: Behaviour) -> None:
        """Set the faults."""
        self.smsc.faults = self._FAULTS[behaviour]

    def settings(self) -> Mapping[str, Any]:
        """Where it listens."""
        return {
            "host": "127.0.0.1",
            "port": self._port,
            "system_id": "test",
            "window": 10,
            "response_seconds": RESPONSE_SECONDS,
        }


PEERS: dict[str, type[Peer]] = {"loopback": LoopbackPeer, "smpp": SmppPeer}


def built(kind: str, settings: Mapping[str, Any], clock: Clock, chance: Chance) -> Carrier:
    """A carrier with these settings and the defaults of its kind."""
    spec = registry.SPECS[kind]
    whole = {field.name: field.default for field in spec.fields} | dict(settings)
    return spec.build(CarrierConfig(1, kind, whole, clock, chance))
