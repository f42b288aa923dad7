"""Idempotency keys: one request does the work, the others get its answer."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta

import pytest
from asyncpg.transaction import Transaction

from onesixty.kit.manual_clock import ManualClock
from onesixty.kit.problems import Problem
from onesixty.kit.secrets import Sealer
from onesixty.records import idempotency
from onesixty.records.idempotency import KEPT, Answer, Claim
from onesixty.storage.database import Connection, Database

BOUND_SECONDS = 10.0
DONE = Answer(202, b'{"id": "msg_1"}')


def claim(key: str = "k", body: bytes = b"{}", account: int = 1) -> Claim:
    """The claim of a request with this key and body."""
    return idempotency.claim(account, key, "POST", "/v1/messages", body)


class Desk:
    """Takes and keeps keys, each call in a transaction of its own."""

    def __init__(self, database: Database, sealer: Sealer, clock: ManualClock) -> None:
        self._database, self._sealer, self._clock = database, sealer, clock

    async def take(self, *claims: Claim) -> list[Answer | Problem | None]:
        """Take keys and commit."""
        async with self._database.write() as tx:
            return await self.take_in(tx, *claims)

    async def take_in(self, tx: Connection, *claims: Claim) -> list[Answer | Problem | None]:
        """Take keys in a transaction that stays open."""
        return await idempotency.take(tx, self._sealer, claims, self._clock.now())

    async def keep_in(self, tx: Connection, one: Claim, answer: Answer | None) -> None:
        """Keep an answer in a transaction that stays open."""
        await idempotency.keep(tx, self._sealer, [(one, answer)])

    async def answer(self, one: Claim, answer: Answer | None = DONE) -> None:
        """Be the first with a key, and answer it."""
        async with self._database.write() as tx:
            assert await self.take_in(tx, one) == [None]
            await self.keep_in(tx, one, answer)


@pytest.fixture
def desk(database: Database, sealer: Sealer, clock: ManualClock) -> Desk:
    """Takes and keeps keys."""
    return Desk(database, sealer, clock)


@pytest.mark.parametrize("key", ["", "x" * 256, "caf\u00e9", "a\nb", "a\x00b"])
def test_a_key_that_is_not_short_printable_ascii_is_refused(key: str) -> None:
    """Empty, too long, non-ASCII and unprintable keys are problems before anything is stored."""
    with pytest.raises(Problem) as raised:
        claim(key)
    assert raised.value.code == "invalid_request"


def test_the_longest_key_is_taken() -> None:
    """A key of 255 characters, spaces among them, is in order."""
    assert claim("x " * 127 + "x").name == (1, "x " * 127 + "x")


def test_the_fingerprint_tells_method_path_and_body_apart() -> None:
    """A change of method, path or body changes the fingerprint; nothing else does."""
    same = idempotency.claim(1, "k", "POST", "/v1/messages", b"{}")
    assert same == claim()
    others = [
        idempotency.claim(1, "k", "PUT", "/v1/messages", b"{}"),
        idempotency.claim(1, "k", "POST", "/v1/batches", b"{}"),
        idempotency.claim(1, "k", "POST", "/v1/messages", b"{ }"),
    ]
    assert same.fingerprint not in {one.fingerprint for one in others}


async def test_a_repeat_gets_the_kept_answer(desk: Desk) -> None:
    """The first request takes the key; the same one again is given the status and body kept."""
    await desk.answer(claim())
    assert await desk.take(claim()) == [DONE]


async def test_an_answer_is_sealed_at_rest(desk: Desk, database: Database, sealer: Sealer) -> None:
    """The table holds the body of an answer only in sealed form."""
    await desk.answer(claim())
    (row,) = await database.fetch("SELECT status_code, answer FROM idempotency_keys")
    assert row["status_code"] == DONE.status_code
    assert DONE.body not in row["answer"]
    assert sealer.open(row["answer"]) == DONE.body


async def test_another_body_is_a_conflict(desk: Desk) -> None:
    """The same key with another body is told of a conflict, and the kept answer stays."""
    await desk.answer(claim())
    (problem,) = await desk.take(claim(body=b"other"))
    assert isinstance(problem, Problem)
    assert problem.code == "idempotency_conflict"
    assert await desk.take(claim()) == [DONE]


async def test_accounts_do_not_share_keys(desk: Desk) -> None:
    """A key of one account is free for another."""
    await desk.answer(claim(account=1))
    assert await desk.take(claim(account=2)) == [None]


async def test_a_batch_is_answered_in_its_order(desk: Desk) -> None:
    """In one call new keys, kept answers and conflicts each get their own answer, in order."""
    other = Answer(200, b"other")
    await desk.answer(claim("z"))
    await desk.answer(claim("b"), other)
    found = await desk.take(
        claim("z"), claim("new"), claim("b"), claim("z", account=2), claim("fresh")
    )
    assert found == [DONE, None, other, None, None]
    await desk.answer(claim("c"))
    answer, conflict = await desk.take(claim("b"), claim("c", b"changed"))
    assert answer == other
    assert isinstance(conflict, Problem)


async def test_look_answers_a_key_that_comes_twice(
    desk: Desk, database: Database, sealer: Sealer
) -> None:
    """Looking up one key for two requests answers each by its own body."""
    await desk.answer(claim())
    async with database.write() as tx:
        same, changed = await idempotency.look(tx, sealer, [claim(), claim(body=b"x")])
    assert same == DONE
    assert isinstance(changed, Problem)


async def test_a_refused_request_gives_its_key_free(desk: Desk) -> None:
    """After None was kept the key may be taken again, even with another body."""
    await desk.answer(claim(), None)
    assert await desk.take(claim(body=b"corrected")) == [None]


async def test_keep_stores_some_and_frees_others(
    desk: Desk, database: Database, sealer: Sealer
) -> None:
    """One call to keep may hold answers and refusals; each key gets what is its own."""
    other = Answer(200, b"")
    async with database.write() as tx:
        await desk.take_in(tx, claim("a"), claim("b"), claim("c"))
        answers = [(claim("a"), DONE), (claim("b"), None), (claim("c"), other)]
        await idempotency.keep(tx, sealer, answers)
    assert await desk.take(claim("a"), claim("b"), claim("c")) == [DONE, None, other]


async def test_a_rolled_back_request_leaves_the_key_free(desk: Desk, database: Database) -> None:
    """When the transaction of the first request fails, the next one is the first."""

    async with database.read() as connection:
        transaction = connection.transaction()
        await transaction.start()
        assert await desk.take_in(connection, claim()) == [None]
        await transaction.rollback()
    assert await desk.take(claim()) == [None]


async def test_a_key_is_new_after_a_day_even_before_it_is_swept(
    desk: Desk, clock: ManualClock
) -> None:
    """The answer holds for 24 hours to the second; then the key may carry another body."""
    await desk.answer(claim())
    await clock.advance(KEPT.total_seconds())
    assert await desk.take(claim()) == [DONE]
    await clock.advance(1)
    again = Answer(201, b"again")
    await desk.answer(claim(body=b"new"), again)
    assert await desk.take(claim(body=b"new")) == [again]


async def test_old_keys_are_forgotten(desk: Desk, database: Database, clock: ManualClock) -> None:
    """Sweeping deletes keys older than 24 hours and keeps the others."""
    await desk.answer(claim("old"))
    await clock.advance(timedelta(hours=1).total_seconds())
    await desk.answer(claim("young"))
    async with database.write() as tx:
        await idempotency.forget_old(tx, clock.now() + KEPT - timedelta(minutes=30))
    rows = await database.fetch("SELECT key FROM idempotency_keys")
    assert [row["key"] for row in rows] == ["young"]


@dataclass(frozen=True, slots=True)
class Race:
    """A transaction that took a key, and a later request for it that waits."""

    connection: Connection
    first: Transaction
    later: "asyncio.Task[list[Answer | Problem | None]]"


@pytest.fixture
async def race(desk: Desk, database: Database) -> AsyncIterator[Race]:
    """Two requests with one key, the first of them not committed."""
    async with database.read() as connection:
        transaction = connection.transaction()
        await transaction.start()
        assert await desk.take_in(connection, claim()) == [None]
        later = asyncio.create_task(desk.take(claim()))
        async with asyncio.timeout(BOUND_SECONDS):
            while not await _blocked(database):
                assert not later.done()
        yield Race(connection, transaction, later)
        later.cancel()


@pytest.mark.parametrize("answer", [DONE, None])
async def test_a_concurrent_request_waits_for_the_first(
    desk: Desk, race: Race, answer: Answer | None
) -> None:
    """It gets the answer once that is committed, or the key itself when the first was refused."""
    await desk.keep_in(race.connection, claim(), answer)
    assert not race.later.done()
    await race.first.commit()
    assert await asyncio.wait_for(race.later, BOUND_SECONDS) == [answer]


async def test_a_concurrent_request_takes_over_from_one_that_failed(race: Race) -> None:
    """When the first transaction is rolled back, the one that waited becomes the first."""
    await race.first.rollback()
    assert await asyncio.wait_for(race.later, BOUND_SECONDS) == [None]


async def _blocked(database: Database) -> bool:
    """Whether some statement of this database waits for another transaction."""
    rows = await database.fetch(
        "SELECT 1 FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    return bool(rows)
