"""The SMPP door in two processes on one database: what they count together."""

from onesixty import app as composition
from onesixty.kit.clock import SystemClock
from onesixty.kit.secrets import Sealer
from onesixty.settings import Settings
from onesixty.smpp.statuses import Status
from walk.platform import until

from .customer import NAME, Office, submit_sm


async def test_two_processes_count_together(desk: Office) -> None:
    """Binds are counted over both, each shows the sessions of both, and they share the rate."""
    number = await desk.esme(max_binds=2, rate_per_second=0.02, burst=10)
    settings = Settings(stop_seconds=5.0)
    other = await composition.build(
        settings, desk.app.database.url, Sealer(b"office"), SystemClock()
    )
    await other.start()
    try:
        there = Office(
            other, await other.door.servers["smpp"].start("127.0.0.1", 0), desk.on_file, 1
        )
        for app in (desk.app, other):
            await app.node.look()
            app.door.admission.refusal_seconds = 0.0
        clients = [await desk.bound(), await there.bound()]
        third = [await office.connect() for office in (desk, there)]
        answers = [await client.bind(name=NAME) for client in third]
        assert [answer.status for answer in answers] == [Status.RALYBND] * 2
        for app in (desk.app, other, desk.app):
            await app.door.headcount.run_once()
        for app in (desk.app, other):
            state = (await app.door.headcount.states([number]))[number]
            assert len(state["sessions"]) == 2
            assert state["last_refusal"]["reason"] == "it has its 2 binds"
        statuses = [(await client.ask(submit_sm())).status for client in clients for _ in range(7)]
        assert statuses == ([0] * 5 + [Status.RTHROTTLED] * 2) * 2
        for client in (*clients, *third):
            await client.close()
        doors = (desk.app.door, other.door)
        await until(lambda: not any(door.sessions.by_link for door in doors))
        for app in (desk.app, other):
            await app.door.headcount.run_once()
        assert (await desk.bound(NAME)).answers == 0
    finally:
        await other.stop()
