"""As much of the platform as delivering to ESMEs needs: an ESME, events, and a door of the test."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

from onesixty.features.esme_delivery.deliver import EsmeDeliverer
from onesixty.features.esme_delivery.notices import Notice
from onesixty.kit import ids
from onesixty.kit.chance import Chance
from onesixty.kit.manual_clock import ManualClock
from onesixty.messages.states import Status
from onesixty.records import esmes
from onesixty.records.snapshot import SnapshotKeeper
from onesixty.smpp.link import Answer, AnswerKind
from onesixty.storage.database import Database

TAKEN = Answer(AnswerKind.ANSWERED)
SILENT = Answer(AnswerKind.UNANSWERED, detail="no answer in time")
LOST = Answer(AnswerKind.UNANSWERED, detail="the peer closed the connection", lost=True)
NOT_SENT = Answer(AnswerKind.NOT_SENT)
MESSAGE = """
INSERT INTO messages (account_id, id, status, sequence, direction, category, encoding, segments,
    recipient, sender, body, origin, created_at)
VALUES ($1, $2, $3, $4, 0, 2, 0, 1, '+14155550123', 'ACME', 'Hello', $5, $6)
ON CONFLICT (account_id, id) DO UPDATE SET status = $3, sequence = $4
"""
EVENT = """
WITH event AS (
    INSERT INTO events (account_id, id, type, sequence, message_id, at)
    VALUES ($1, $2, $3, $4, $5, $6)
)
INSERT INTO webhook_queue (event_id, endpoint_id, account_id, due_at) VALUES ($2, $7, $1, $6)
"""


def refused(status: int) -> Answer:
    """A deliver_sm_resp with this command_status."""
    return Answer(AnswerKind.ANSWERED, status)


class ScriptedDoor:
    """Where the test is the ESMEs: `handed` holds what they were given and have not answered."""

    def __init__(self) -> None:
        self.places: dict[int, int] = {}
        self.handed: list[tuple[Notice, Callable[[Answer], None]]] = []
        self.objection: str | None = None  # why nothing can be written

    def rooms(self) -> dict[int, int]:
        """As the test wants it, less what is unanswered."""
        return {number: self.room(number) for number in self.places}

    def room(self, esme_id: int) -> int:
        """Its places, less what it has not answered."""
        held = [notice.esme_id for notice, _ in self.handed]
        return self.places[esme_id] - held.count(esme_id)

    def hand_over(self, notice: Notice, on_answer: Callable[[Answer], None]) -> str | None:
        """Keep it until the test answers."""
        if self.objection is None:
            self.handed.append((notice, on_answer))
        return self.objection

    def answer(self, answer: Answer = TAKEN, count: int | None = None) -> list[Notice]:
        """Answer the oldest so many, or all; gives what they were."""
        some, self.handed = self.handed[:count], self.handed[len(self.handed[:count]) :]
        for _, on_answer in some:
            on_answer(answer)
        return [notice for notice, _ in some]


@dataclass(slots=True)
class Platform:
    """The parts, and short ways to put rows in and to look at them; `esme` is bound."""

    database: Database
    keeper: SnapshotKeeper
    clock: ManualClock
    chance: Chance
    account: int
    esme: int
    door: ScriptedDoor
    deliverer: EsmeDeliverer
    messages: dict[UUID, int] = field(default_factory=dict)  # with their sequence

    @classmethod
    async def build(
        cls, database: Database, clock: ManualClock, chance: Chance, account: int
    ) -> "Platform":
        """With one ESME, which has room for 100."""
        keeper, door = await SnapshotKeeper.start(database, clock), ScriptedDoor()
        deliverer = EsmeDeliverer(database, keeper, clock, chance)
        deliverer.door = door
        deliverer.settling.start()
        made = cls(database, keeper, clock, chance, account, 0, door, deliverer)
        made.esme = await made.new_esme("client")
        door.places[made.esme] = 100
        return made

    async def start_anew(self) -> None:
        """Forget all that a process knows, as one does that dies."""
        await self.deliverer.stop(5)
        self.door.handed.clear()
        self.deliverer = EsmeDeliverer(self.database, self.keeper, self.clock, self.chance)
        self.deliverer.door = self.door
        self.deliverer.settling.start()

    async def new_esme(self, system_id: str) -> int:
        """The number of a new ESME."""
        async with self.database.write() as tx:
            number = await esmes.create(tx, self.account, system_id, "no password", {})
        await self.keeper.refresh()
        return number

    async def receipt(
        self,
        status: Status = Status.DELIVERED,
        message: UUID | None = None,
        *,
        esme: int | None = None,
        registered: int = 17,
    ) -> UUID:
        """Tell of a message that it has this status; the id of the message."""
        esme, now = esme or self.esme, self.clock.now()
        message = message or ids.uuid7(int(now.timestamp() * 1000))
        sequence = self.messages[message] = self.messages.get(message, 1) + 1
        origin = {"esme": esme, "registered": registered}
        await self.database.fetch(MESSAGE, self.account, message, status, sequence, origin, now)
        event = ids.uuid7(int(now.timestamp() * 1000))
        await self.database.fetch(EVENT, self.account, event, status, sequence, message, now, -esme)
        return message

    async def run(self) -> None:
        """Hand over all that there is room for, and write all that is known."""
        while await self.deliverer.run_once():
            pass
        await self.deliverer.settling.caught_up()

    async def deliver(self, answer: Answer = TAKEN) -> list[Notice]:
        """Have all that is due delivered with this answer; what it was."""
        await self.run()
        notices = self.door.answer(answer)
        await self.deliverer.settling.caught_up()
        return notices

    async def waits(self) -> list[timedelta]:
        """For each row of the outbox how long it has to wait yet."""
        rows = await self.database.fetch("SELECT due_at FROM webhook_queue ORDER BY due_at")
        return [row["due_at"] - self.clock.now() for row in rows]

    async def log(self) -> list[dict[str, Any]]:
        """Every delivery, oldest first."""
        rows = await self.database.fetch("SELECT * FROM deliveries ORDER BY at, attempt, id")
        return [dict(row) for row in rows]
