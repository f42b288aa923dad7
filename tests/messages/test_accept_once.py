"""Idempotency keys at acceptance: however often a request comes, one message goes out."""

import asyncio
from collections.abc import Sequence

import pytest

from onesixty.kit import ids
from onesixty.kit.problems import Problem
from onesixty.messages.types import Message, Refusal, SendRequest
from onesixty.records import idempotency
from onesixty.records.idempotency import Answer, Claim

from .counting import statements
from .walk import NUMBER, Walk, somebody_waits

REQUEST = SendRequest(NUMBER, "hello")


def encode(results: Sequence[Message | Refusal]) -> Answer | None:
    """The answer that a door would give: the ids of the messages."""
    if not isinstance(results[0], Message):
        return None
    return Answer(
        202, b" ".join(str(one.id).encode() for one in results if isinstance(one, Message))
    )


def claimed(walk: Walk, key: str = "k", body: bytes = b"{}", account: int | None = None) -> Claim:
    """The claim of a request with this key and body."""
    return idempotency.claim(account or walk.account, key, "POST", "/v1/messages", body)


async def once(walk: Walk, claim: Claim) -> Message | Refusal | Answer:
    """Send under a claim."""
    return await walk.acceptor.accept(REQUEST, walk.caller(), claim, encode)


async def test_a_repeat_gets_the_answer_of_the_first(walk: Walk) -> None:
    """The second request with a key stores nothing and is answered exactly as the first."""
    first = await once(walk, claimed(walk))
    assert isinstance(first, Message)
    assert await once(walk, claimed(walk)) == Answer(202, str(first.id).encode())
    assert await walk.count("messages") == 1
    await walk.carrier.took(1)
    assert walk.lane_of(walk.carrier)._held == 1


async def test_a_key_with_another_body_is_a_conflict(walk: Walk) -> None:
    """The same key with another body is refused, and nothing is stored for it."""
    await once(walk, claimed(walk))
    with pytest.raises(Problem) as raised:
        await once(walk, claimed(walk, body=b"{ }"))
    assert raised.value.code == "idempotency_conflict"
    assert await walk.count("messages") == 1


async def test_keys_of_accounts_are_their_own(walk: Walk) -> None:
    """Two accounts may use the same key."""
    await once(walk, claimed(walk))
    other = await once(walk, claimed(walk, account=walk.account + 1000))
    assert isinstance(other, Message)


async def test_fifty_at_once_make_one_message(walk: Walk) -> None:
    """Of fifty concurrent requests with one key one makes the message, all get its answer."""
    results = await asyncio.gather(*(once(walk, claimed(walk)) for _ in range(50)))
    (message,) = [one for one in results if isinstance(one, Message)]
    answers = [one for one in results if isinstance(one, Answer)]
    assert answers == [Answer(202, str(message.id).encode())] * 49
    assert (await walk.count("messages"), await walk.count("idempotency_keys")) == (1, 1)
    await walk.carrier.took(1)
    assert walk.lane_of(walk.carrier)._held == 1


async def test_keys_and_keyless_requests_gather_together(walk: Walk) -> None:
    """In one gathered batch first uses, repeats, conflicts and keyless requests each get theirs."""
    first = await once(walk, claimed(walk, "old"))
    results = await asyncio.gather(
        once(walk, claimed(walk, "old")),
        once(walk, claimed(walk, "new")),
        once(walk, claimed(walk, "old", b"other")),
        walk.send(),
        once(walk, claimed(walk, "new")),
        once(walk, claimed(walk, "new", b"other")),
        return_exceptions=True,
    )
    assert isinstance(first, Message)
    kinds = [one.code if isinstance(one, Problem) else type(one) for one in results]
    conflict = "idempotency_conflict"
    assert kinds == [Answer, Message, conflict, Message, Answer, conflict]
    assert await walk.count("messages") == 3


async def test_two_processes_make_one_message(walk: Walk) -> None:
    """A key that comes to two processes at once makes one message."""
    other = await Walk.open(walk.database, walk.clock, walk.account, walk.sandbox)
    both = [walk, other] * 10
    results = await asyncio.gather(*(once(each, claimed(each)) for each in both))
    assert len([one for one in results if isinstance(one, Message)]) == 1
    assert await walk.count("messages") == 1
    await other.close()


async def test_a_refused_request_does_not_use_its_key_up(walk: Walk) -> None:
    """After a refusal the same key may come with a body that is right."""
    asked = SendRequest("12", "hello")
    refused = await walk.acceptor.accept(asked, walk.caller(), claimed(walk), encode)
    assert isinstance(refused, Refusal)
    assert isinstance(await once(walk, claimed(walk, body=b"corrected")), Message)


async def test_a_repeat_is_answered_although_it_would_now_be_refused(walk: Walk) -> None:
    """Once taken a request is answered as before, also when its route is gone since."""
    first = await once(walk, claimed(walk))
    await walk.ask("UPDATE routes SET enabled = false RETURNING 1")
    await walk.keeper.refresh()
    assert isinstance(first, Message)
    assert await once(walk, claimed(walk)) == Answer(202, str(first.id).encode())
    with pytest.raises(Problem):
        await once(walk, claimed(walk, body=b"other"))
    assert isinstance(await once(walk, claimed(walk, "another key")), Refusal)
    assert await walk.count("idempotency_keys") == 1


async def test_a_key_is_free_again_after_a_day(walk: Walk) -> None:
    """A key counts for 24 hours; then it makes a new message."""
    first = await once(walk, claimed(walk))
    await walk.clock.advance(24 * 3600)
    assert isinstance(await once(walk, claimed(walk)), Answer)
    await walk.clock.advance(1)
    second = await once(walk, claimed(walk, body=b"other"))
    assert isinstance(first, Message)
    assert isinstance(second, Message)
    assert first.id != second.id


async def test_a_caller_who_leaves_harms_nobody(walk: Walk) -> None:
    """A request whose caller is gone before the answer is known does not harm its neighbours."""
    await once(walk, claimed(walk))
    async with walk.database.write() as tx:
        await tx.execute("LOCK idempotency_keys")  # holds the batch up in the middle of its work
        leaving = asyncio.ensure_future(once(walk, claimed(walk)))
        staying = asyncio.ensure_future(walk.send())
        await somebody_waits(tx)
        leaving.cancel()
    assert isinstance(await staying, Message)


async def test_a_crowd_of_repeats_is_one_batch(walk: Walk) -> None:
    """A thousand repeats that gathered are answered by one write, not one after the other."""
    await walk.send()  # stores the explanation
    async with statements(walk.database) as asked:
        results = await asyncio.gather(*(once(walk, claimed(walk)) for _ in range(1000)))
    assert len([one for one in results if isinstance(one, Message)]) == 1
    assert len(asked) <= 4, asked


async def test_a_batch_is_taken_once(walk: Walk) -> None:
    """A batch with a key is stored once; repeats get its answer, another body a conflict."""
    asked = [SendRequest(NUMBER, f"{n}") for n in range(3)]
    claim = claimed(walk, "b")

    async def batch(claim: Claim) -> object:
        return await walk.acceptor.accept_batch(asked, walk.caller(), ids.uuid7(), claim, encode)

    results = await asyncio.gather(*(batch(claim) for _ in range(10)))
    (first,) = [one for one in results if isinstance(one, list)]
    expected = Answer(202, b" ".join(str(one.id).encode() for one in first))
    assert [one for one in results if not isinstance(one, list)] == [expected] * 9
    with pytest.raises(Problem):
        await batch(claimed(walk, "b", b"other"))
    assert (await walk.count("messages"), await walk.count("batches")) == (3, 1)
    await walk.carrier.took(3)
    assert walk.lane_of(walk.carrier)._held == 3
