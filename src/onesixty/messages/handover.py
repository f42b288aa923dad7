"""From a committed row to the lane in memory, by places that are reserved.

Places are reserved before the commit and filled after it. A message with one is stored as SENDING
under a lease of this process; after the commit it goes to its lane without being read again.
Without a place it is stored in the queue, from which the lane claims it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, Self
from uuid import UUID

from onesixty.carriers.content import CHANNELS
from onesixty.carriers.contract import Submission
from onesixty.kit import ids, metrics
from onesixty.messages import store
from onesixty.messages.leases import LeaseBook
from onesixty.messages.states import Status
from onesixty.messages.types import Message
from onesixty.storage.database import Connection, Database

_ENCODINGS = ("gsm7", "ucs2", "latin1", "binary")  # by number, see types.Encoding


class Lanes(Protocol):
    """The lanes of this process, as acceptance sees them."""

    def is_up(self, carrier_id: int) -> bool:
        """Whether the carrier is connected."""
        ...

    def reserve(self, carrier_id: int, priority: int) -> bool:
        """Take one place of the lane; False when the message must wait in the queue."""
        ...

    def release(self, carrier_id: int) -> None:
        """Give a place back: the message was not stored after all."""
        ...

    def hand(self, submissions: Sequence[Submission]) -> None:
        """These are stored and leased to this process: send them."""
        ...

    def look(self, carrier_ids: set[int]) -> None:
        """Messages for these carriers have come into the queue."""
        ...


@dataclass(slots=True)
class Handover:
    """What a write needs to hand over: lanes, leases, this node, and a wake of the outbox."""

    lanes: Lanes
    leases: LeaseBook
    node_number: int
    sandbox_carrier: int  # where messages of test keys go
    wake_webhooks: Callable[[], None] = field(default=lambda: None)


class Storing:
    """One write of accepted messages.

    `with Storing(...) as storing`, insert, and `hand_over` after the commit. Leaving the block with
    an exception gives every reserved place back.
    """

    def __init__(self, handover: Handover, messages: Sequence[Message]) -> None:
        self._handover = handover
        self._messages = list(messages)
        self._leased: list[tuple[UUID, list[Message]]] = []
        self._hooked = 0
        reserve = handover.lanes.reserve
        for message in messages:
            # What a limit holds back waits in the queue: only a claim knows what is left of it.
            free = message.status is Status.QUEUED and message.flow is None
            if free and reserve(message.carrier_id or 0, message.category):
                message.status = Status.SENDING

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if kind is not None:
            self.undo()

    def keep_only(self, messages: Sequence[Message]) -> None:
        """Store these alone; the others give their places back."""
        kept = {id(message) for message in messages}
        for message in self._messages:
            if id(message) not in kept:
                self._give_back(message)
        self._messages = list(messages)

    async def insert_alone(self, database: Database) -> None:
        """Store all in one statement that is its own transaction: one round trip."""
        if self._messages:
            rows = await database.fetch(store.INSERT, *self._arguments(self._messages))
            self._hooked += rows[0][0]

    async def insert(self, tx: Connection, messages: Sequence[Message]) -> None:
        """Store these in the given transaction, under a lease of their own."""
        if messages:
            self._hooked += await tx.fetchval(store.INSERT, *self._arguments(messages))

    def undo(self) -> None:
        """Nothing was stored: give every place back."""
        for lease_id, _ in self._leased:
            self._handover.leases.drop(lease_id)
        for message in self._messages:
            self._give_back(message)

    def hand_over(self) -> None:
        """All is committed: fill the lanes, wake those who look into the queue and the outbox."""
        metrics.accepted.inc(len(self._messages))
        for lease_id, leased in self._leased:
            self._handover.leases.open(lease_id, len(leased))
            self._handover.lanes.hand([submission(message, lease_id) for message in leased])
        queued = {
            message.carrier_id or 0 for message in self._messages if message.status is Status.QUEUED
        }
        if queued:
            self._handover.lanes.look(queued)
        if self._hooked:
            self._handover.wake_webhooks()

    def _arguments(self, messages: Sequence[Message]) -> list[object]:
        lease_id = ids.uuid7()
        leased = [message for message in messages if message.status is Status.SENDING]
        if leased:
            self._leased.append((lease_id, leased))
            self._handover.leases.begin(lease_id)
        return store.insert_arguments(messages, lease_id, self._handover.node_number)

    def _give_back(self, message: Message) -> None:
        if message.status is Status.SENDING:
            message.status = Status.QUEUED
            self._handover.lanes.release(message.carrier_id or 0)


def submission(message: Message, lease_id: UUID, accepted: Sequence[int] = ()) -> Submission:
    """What the carrier needs of a message, of which it may have `accepted` parts already."""
    assert message.carrier_id is not None
    assert message.expires_at is not None
    return Submission(
        account_id=message.account_id,
        message_id=message.id,
        carrier_id=message.carrier_id,
        attempt=message.attempts + 1,
        priority=message.category,
        sender=message.sender,
        recipient=message.recipient,
        body=message.body,
        encoding=_ENCODINGS[message.encoding],
        segments=message.segments,
        expires_at=message.expires_at,
        lease_id=lease_id,
        accepted=accepted,
        fallbacks=message.fallbacks,
        test=message.test,
        form=message.form,
        channel=CHANNELS[message.channel],
        content=message.content,
        earlier=message.past_steps[-1]["attempts"] if message.past_steps else 0,
    )
