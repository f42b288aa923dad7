"""The far side of each kind of carrier, and how to make it misbehave.

A new kind of carrier needs a peer here; the suite then holds it to the contract.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar, Final, Protocol

from onesixty.carriers import registry
from onesixty.carriers.content import SMS
from onesixty.carriers.contract import Carrier, CarrierConfig, CarrierEvents
from onesixty.kit.chance import Chance
from onesixty.kit.clock import Clock
from onesixty.simulator.fault_words import Share, Span
from onesixty.simulator.faults import Faults, LinkDrop
from onesixty.simulator.http.stage.cast import far_sides
from onesixty.simulator.smsc import Smsc

from .behaviours import RESPONSE_SECONDS, SOMEBODY, Behaviour
from .http_peer import HttpPeer


class Peer(Protocol):
    """A far side that is ready to be connected to."""

    behaviours: ClassVar[frozenset[Behaviour]]
    channel: str  # of the messages that it takes
    is_whole: ClassVar[bool]  # it takes a long message in one piece
    recipient: str  # whom to send to, so that it behaves as it was told
    callback_url: str | None  # where it is told to call us

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

    def attend(self, config: CarrierConfig, events: CarrierEvents) -> None:
        """The carrier that was built, and who hears what comes in by HTTP."""
        ...


class _SocketPeer:
    """A peer that calls nobody by HTTP."""

    channel = SMS
    is_whole: ClassVar = False
    callback_url: str | None = None

    def attend(self, config: CarrierConfig, events: CarrierEvents) -> None:
        """All comes by the carrier."""


class LoopbackPeer(_SocketPeer):
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


class SmppPeer(_SocketPeer):
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


HTTP_KINDS: Final = sorted(far_sides().keys() & registry.SPECS.keys())
PEERS: Final[dict[str, Callable[[], Peer]]] = {
    "loopback": LoopbackPeer,
    "smpp": SmppPeer,
    **{kind: partial(HttpPeer, kind) for kind in HTTP_KINDS},
}


def behaviours(kind: str) -> frozenset[Behaviour]:
    """What the far side of a kind can play."""
    peers = {"loopback": LoopbackPeer.behaviours, "smpp": SmppPeer.behaviours}
    return peers.get(kind, HttpPeer.behaviours)


def config_of(
    kind: str, settings: Mapping[str, Any], clock: Clock, chance: Chance, callback_url: str | None
) -> CarrierConfig:
    """A configured carrier: these settings, and the defaults of its kind."""
    whole = {field.name: field.default for field in registry.SPECS[kind].fields} | dict(settings)
    return CarrierConfig(1, kind, whole, clock, chance, callback_url)


def built(kind: str, settings: Mapping[str, Any], clock: Clock, chance: Chance) -> Carrier:
    """A carrier with these settings and the defaults of its kind, whom nobody calls."""
    return registry.SPECS[kind].build(config_of(kind, settings, clock, chance, None))
