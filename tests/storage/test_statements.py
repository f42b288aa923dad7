"""The statements of the walk fit the schema, and young tables do not spoil their plans."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from types import ModuleType
from typing import Any

import orjson
import pytest
import pytest_asyncio

from onesixty.features.billing import settling
from onesixty.features.esme_delivery import claims
from onesixty.features.webhooks import feed, outbox
from onesixty.kit import ids
from onesixty.kit.clock import SystemClock
from onesixty.messages import (
    leases,
    receive,
    settle,
    store,
)
from onesixty.messages.dispatch import backlog, claim, ends, failover, fallback
from onesixty.messages.doubt import reconcile, sweep
from onesixty.messages.receive import inbound
from onesixty.records.billing import holds, usage
from onesixty.records.lookups import known, spending
from onesixty.records.routes import explanations, replay
from onesixty.storage import partitions
from onesixty.storage.database import Connection, Database
from stock import Stock

pytestmark = pytest.mark.asyncio(loop_scope="module")

ROOMS = (
    backlog,
    claim,
    claims,
    explanations,
    ends,
    failover,
    fallback,
    holds,
    inbound,
    known,
    leases,
    outbox,
    receive,
    reconcile,
    replay,
    settle,
    settling,
    spending,
    store,
    sweep,
    usage,
)
FRAGMENTS = (store.WEBHOOKS, store.COLUMNS, feed.COLUMNS, feed.JOINS)  # parts of statements
STARTS = ("SELECT", "INSERT", "UPDATE", "DELETE", "WITH")
LARGE = (
    "messages",
    "submissions",
    "queue",
    "receipts",
    "events",
    "webhook_queue",
    "doubts",
    "fallbacks",
    "inbound_parts",
    "inbound_ids",
    "holds",
    "transfers",
    "charges",
    "number_networks",
)
PLANNED = {
    "ends.LIKE": ends.LIKE,
    "backlog.BACKLOG": backlog.BACKLOG,
    "claim.CLAIM": claim.CLAIM,
    "claims.CLAIM": claims.CLAIM,
    "failover.MOVE": failover.MOVE,
    "fallback.ADVANCE": fallback.ADVANCE,
    "fallback.CLAIMED": fallback.CLAIMED,
    "fallback.DUE": fallback.DUE,
    "fallback.FORGET": fallback.FORGET,
    "fallback.LOOK": fallback.LOOK,
    "fallback.PLACES": fallback.PLACES,
    "sweep.FALL": sweep.FALL,
    "explanations.KEEP": explanations.KEEP,
    "replay.LAST": replay.LAST,
    "holds.HOLD": holds.HOLD,
    "holds.WAKE": holds.WAKE,
    "inbound.COMPLETE": inbound.COMPLETE,
    "inbound.FIND": inbound.FIND,
    "inbound.FORGET": inbound.FORGET,
    "inbound.FORGET_IDS": inbound.FORGET_IDS,
    "inbound.KNOW": inbound.KNOW,
    "inbound.MARK": inbound.MARK,
    "known.CLAIM": known.CLAIM,
    "known.FIND": known.FIND,
    "known.FORGET": known.FORGET,
    "known.LEARN": known.LEARN,
    "known.LEAVE": known.LEAVE,
    "known.NEWEST": known.NEWEST,
    "known.STORE": known.STORE,
    "outbox.CLAIM": outbox.CLAIM,
    "outbox.SETTLE": outbox.SETTLE,
    "receive.APPLY": receive.APPLY,
    "receive.COST": receive.COST,
    "receive.ECHOED": receive.ECHOED,
    "receive.MATCH": receive.MATCH,
    "receive.RECIPIENTS": receive.RECIPIENTS,
    "receive.SIBLINGS": receive.SIBLINGS,
    "settle.SETTLE": settle.SETTLE,
    "settling.COSTS": settling.COSTS,
    "settling.DUE": settling.DUE,
    "settling.HELD": settling.HELD,
    "settling.LOOK": settling.LOOK,
    "settling.SETTLE": settling.SETTLE,
    "sweep.DOUBT": sweep.DOUBT,
    "sweep.DUE": sweep.DUE,
    "sweep.LOOK": sweep.LOOK,
    "sweep.MOVE": sweep.MOVE,
    "sweep.PASS": sweep.PASS,
    "sweep.TRIES": sweep.TRIES,
    "usage.COUNT": usage.COUNT,
}


def statements_of(room: ModuleType) -> Iterator[tuple[str, str]]:
    """The SQL constants of a module, by name: capitals, beginning with a word of SQL."""
    for name, value in vars(room).items():
        if not (name.isupper() and isinstance(value, str)) or value in FRAGMENTS:
            continue
        if value.strip().startswith(STARTS):
            yield f"{room.__name__.rpartition('.')[2]}.{name}", value


STATEMENTS = dict(one for room in ROOMS for one in statements_of(room))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def new(stock: Stock) -> AsyncIterator[Connection]:
    """A session on a new database, of which there are no statistics yet."""
    url = stock.take()
    database = await Database.open(url)
    async with database.read() as connection:
        yield connection
    await database.close()
    stock.give_back(url)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def analyzed(stock: Stock) -> AsyncIterator[Connection]:
    """A session on a database that is known to be empty."""
    url = stock.take()
    database = await Database.open(url)
    async with database.read() as connection:
        await connection.execute("ANALYZE")
        yield connection
    await database.close()
    stock.give_back(url)


async def test_every_room_has_statements() -> None:
    """The collection below misses no module, and none of the hot statements."""
    assert {name.partition(".")[0] for name in STATEMENTS} == {
        room.__name__.rpartition(".")[2] for room in ROOMS
    }
    assert PLANNED.items() <= STATEMENTS.items()


@pytest.mark.parametrize("name", STATEMENTS)
async def test_statements_fit_the_schema(new: Connection, name: str) -> None:
    """Each prepares: its tables, columns and types are there."""
    await new.prepare(STATEMENTS[name])


async def generic_plan(connection: Connection, statement: str) -> dict[str, Any]:
    """The plan that a session keeps for a statement, whatever its arguments.

    Ids are of this moment: bounds on ids keep the part of a table that holds it.
    """
    await connection.execute(f"PREPARE planned AS {statement}")
    types = await connection.fetchval(
        "SELECT parameter_types::text[] FROM pg_prepared_statements WHERE name = 'planned'"
    )
    now = f"'{ids.uuid7()}'"
    values = ", ".join(now if one == "uuid" else "NULL" for one in types)
    found = await connection.fetchval(f"EXPLAIN (FORMAT JSON) EXECUTE planned({values})")
    await connection.execute("DEALLOCATE planned")
    plan: dict[str, Any] = orjson.loads(found)[0]["Plan"]
    return plan


@asynccontextmanager
async def of_the_moment(connection: Connection) -> AsyncIterator[None]:
    """What is done meanwhile is taken back."""
    change = connection.transaction()
    await change.start()
    yield
    await change.rollback()


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every node of a plan."""
    yield plan
    for below in plan.get("Plans", ()):
        yield from nodes(below)


def is_large(table: str) -> bool:
    """Whether a table, or the table that it is a part of, grows with traffic."""
    return any(table == name or table.startswith(f"{name}_20") for name in LARGE)


def reads_large(plan: dict[str, Any]) -> bool:
    """Whether a large table is read in this node or below it."""
    return any(is_large(node.get("Relation Name", "")) for node in nodes(plan))


def scans(plan: dict[str, Any]) -> list[str]:
    """Where a large table is read whole, or joined by hash or merge."""
    found = []
    for node in nodes(plan):
        kind, table = node["Node Type"], node.get("Relation Name", "")
        if kind == "Seq Scan" and is_large(table):
            found.append(f"{kind} on {table}")
        if kind in {"Hash Join", "Merge Join"} and reads_large(node):
            found.append(kind)
    return found


def walks(plan: dict[str, Any]) -> list[str]:
    """Where a large table is read whole in the order of an index."""
    return [
        f"{node['Node Type']} on {node['Relation Name']}"
        for node in nodes(plan)
        if node["Node Type"] in {"Index Scan", "Index Only Scan"}
        and is_large(node["Relation Name"])
        and "Index Cond" not in node
    ]


@pytest.mark.parametrize("name", PLANNED)
async def test_new_tables_are_looked_up_by_index(new: Connection, name: str) -> None:
    """In a new database the hot statements look up each row by the columns of an index."""
    plan = await generic_plan(new, PLANNED[name])
    assert [*scans(plan), *walks(plan)] == []


@pytest.mark.parametrize("name", PLANNED)
async def test_messages_are_looked_up_by_their_key(analyzed: Connection, name: str) -> None:
    """No hot statement takes another index for that of (account_id, id): it would read them all."""
    plan = await generic_plan(analyzed, PLANNED[name])
    indexes = {node["Index Name"] for node in nodes(plan) if "Index Name" in node}
    used = {one for one in indexes if one.startswith("messages_")}
    assert {one for one in used if not one.endswith("_pkey")} == set()


@pytest.mark.parametrize("name", PLANNED)
async def test_tables_known_to_be_empty_are_not_scanned(analyzed: Connection, name: str) -> None:
    """Statistics that say "empty" lead to no sequential scan and no hash or merge join."""
    plan = await generic_plan(analyzed, PLANNED[name])
    assert scans(plan) == []


@pytest.mark.parametrize("name", ["receive.APPLY", "settle.SETTLE"])
async def test_rows_of_a_batch_are_looked_up_one_by_one(new: Connection, name: str) -> None:
    """Messages and their parts are found by equal keys: a range would be read for each row."""
    plan = await generic_plan(new, PLANNED[name])
    conditions = [
        node.get("Index Cond", "")
        for node in nodes(plan)
        if node.get("Relation Name", "").startswith(("messages_20", "submissions_20"))
    ]
    assert conditions
    assert [one for one in conditions if " = " not in one] == []


@pytest.mark.parametrize("name", ["receive.MATCH"])
async def test_months_without_the_batch_are_not_opened(new: Connection, name: str) -> None:
    """Where the ids of a batch are known beforehand, other parts of a table cost nothing."""
    async with of_the_moment(new):
        await partitions.ensure(new, SystemClock().now() - timedelta(days=60), 1)
        plan = await generic_plan(new, PLANNED[name])
    appends = [node for node in nodes(plan) if node["Node Type"] == "Append" and reads_large(node)]
    assert all("Subplans Removed" in node for node in appends)
    assert appends


@pytest.mark.parametrize("name", ["outbox.SETTLE", "settle.SETTLE"])
async def test_scans_are_recognised(analyzed: Connection, name: str) -> None:
    """Without the settings of our sessions the same check finds what it looks for."""
    async with of_the_moment(analyzed):
        for setting in ("enable_seqscan", "enable_hashjoin", "enable_mergejoin"):
            await analyzed.execute(f"SET LOCAL {setting} = on")
        plan = await generic_plan(analyzed, PLANNED[name])
    assert scans(plan)
