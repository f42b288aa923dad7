"""Sources are asked about numbers within their caps; routes go by what is known."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from onesixty.features.lookups.asking import ASKING, LEFT_FOR, End
from onesixty.features.lookups.networks import SWEEP_SECONDS, Networks

from .platform import EURO, MONTH, NUMBER, O2, VODAFONE, Looking

CENT = EURO // 100
TOLD = "SELECT array_agg(data ORDER BY id) FROM events WHERE type = 52"
SPENT = "SELECT sum(micros)::bigint FROM lookup_spending"


async def test_the_router_follows_a_ported_number(looking: Looking) -> None:
    """The first message goes by the digits, the source is asked once, the next by its answer."""
    await looking.source()
    looking.far_side.known[NUMBER] = VODAFONE
    first, second = looking.walk.carriers
    assert (await looking.send()).carrier_id == first.number
    assert looking.far_side.asked == []
    await looking.run()
    assert (await looking.send()).carrier_id == second.number
    await looking.run()
    assert looking.far_side.asked == [NUMBER]
    assert looking.networks.of(NUMBER) == VODAFONE


async def test_other_processes_hear_of_answers(looking: Looking) -> None:
    """What one was told is in the memory of another when it looks next."""
    await looking.source()
    walk = looking.walk
    other = Networks(walk.database, walk.clock, walk.keeper)
    await other.run_once()
    looking.far_side.known[NUMBER] = VODAFONE
    await looking.send()
    await looking.run()
    assert other.of(NUMBER) == O2
    await other.run_once()
    assert other.of(NUMBER) == VODAFONE


async def test_answers_count_until_they_expire(looking: Looking) -> None:
    """A network for its time, an answer without one for a shorter time; then it is asked again."""
    await looking.source()
    unknown = "+447700900200"
    looking.far_side.known |= {NUMBER: VODAFONE, unknown: ""}
    for number in (NUMBER, unknown, NUMBER, unknown):
        await looking.send(number)
        await looking.run()
    assert looking.far_side.asked == [NUMBER, unknown]
    assert looking.networks.of(unknown) == O2
    await looking.walk.clock.advance(86_400 + SWEEP_SECONDS)
    await looking.run()
    for number in (NUMBER, unknown):
        await looking.send(number)
        await looking.run()
    assert looking.far_side.asked == [NUMBER, unknown, unknown]
    await looking.walk.clock.advance(MONTH)
    await looking.run()
    assert looking.networks.of(NUMBER) == O2
    assert await looking.walk.ask("SELECT count(*) FROM number_networks") == 0


async def test_no_cap_is_ever_passed(looking: Looking) -> None:
    """Of 50 questions at once the cap allows 20; the others are told so, and one event is."""
    await looking.source(follow=False, day_cap=20 * CENT + CENT // 2)
    numbers = [f"+4477009{n:05d}" for n in range(50)]
    found = await asyncio.gather(*(looking.lookups.look(one, "GB") for one in numbers))
    ends = [one.end for one in found]
    assert (ends.count(End.ANSWERED), ends.count(End.CAP_REACHED)) == (20, 30)
    assert len(looking.far_side.asked) == 20
    assert await looking.walk.ask(SPENT) == 20 * CENT
    (told,) = await looking.walk.ask(TOLD)
    assert told == {
        "source": "main", "period": "day", "limit": {"amount": "0.205", "currency": "EUR"},
    }  # fmt: skip
    assert looking.walk.hooks.count("lookups") == 1


async def test_a_new_day_and_the_cap_of_the_month(looking: Looking) -> None:
    """A day's cap begins anew at midnight UTC; a month's does not, and is told of once a day."""
    now = looking.walk.clock.now()
    month = now.replace(day=1, hour=0, minute=0, second=0) + timedelta(days=35)
    await looking.walk.clock.advance((month.replace(day=2) - now).total_seconds())
    await looking.source(follow=False, day_cap=2 * CENT, month_cap=3 * CENT)

    async def ask(count: int) -> list[Any]:
        return [(await looking.lookups.look(NUMBER, "GB")).end for _ in range(count)]

    assert await ask(3) == [End.ANSWERED, End.ANSWERED, End.CAP_REACHED]
    await looking.walk.clock.advance(86_400)
    assert await ask(3) == [End.ANSWERED, End.CAP_REACHED, End.CAP_REACHED]
    assert [one["period"] for one in await looking.walk.ask(TOLD)] == ["day", "month"]


async def test_a_batch_is_asked_as_far_as_the_cap_goes(looking: Looking) -> None:
    """What follows messages stops at the cap too, and the rest goes by its digits."""
    await looking.source(day_cap=2 * CENT)
    numbers = [f"+44770090012{n}" for n in range(5)]
    for number in numbers:
        looking.far_side.known[number] = VODAFONE
        await looking.send(number)
    await looking.run()
    assert looking.far_side.asked == numbers[:2]
    assert [looking.networks.of(one) for one in numbers] == [VODAFONE] * 2 + [O2] * 3


async def test_nobody_asks_twice_at_once(looking: Looking) -> None:
    """A number that is being asked about costs nothing more, until that took too long."""
    await looking.source(follow=False)
    looking.far_side.gate.clear()
    first = asyncio.create_task(looking.lookups.look(NUMBER, "GB"))
    await looking.far_side.called.wait()
    assert (await looking.lookups.look(NUMBER, "GB")).end is End.BEING_ASKED
    looking.far_side.gate.set()
    assert (await first).end is End.ANSWERED
    assert await looking.walk.ask(SPENT) == CENT


async def test_a_process_that_died_holds_no_number(looking: Looking) -> None:
    """A number that is being asked about for too long may be asked about again."""
    await looking.source(follow=False)
    looking.far_side.gate.clear()
    first = asyncio.create_task(looking.lookups.look(NUMBER, "GB"))
    await looking.far_side.called.wait()
    first.cancel()
    looking.far_side.gate.set()
    assert (await looking.lookups.look(NUMBER, "GB")).end is End.BEING_ASKED
    await looking.walk.clock.advance(ASKING.total_seconds())
    assert (await looking.lookups.look(NUMBER, "GB")).end is End.ANSWERED


async def test_failures_are_paid_unless_nothing_left(looking: Looking) -> None:
    """An error is kept with what the day cost; a question that never left costs nothing."""
    await looking.source(follow=False)
    looking.far_side.status = 500
    failed = await looking.lookups.look(NUMBER, "GB")
    assert (failed.end, failed.detail) == (
        End.NO_ANSWER, "it answered HTTP 500, and not as described",
    )  # fmt: skip
    assert (await looking.lookups.look(NUMBER, "GB")).end is End.BEING_ASKED  # left alone
    await looking.far_side.stop()
    await looking.walk.clock.advance(LEFT_FOR.total_seconds())
    assert (await looking.lookups.look(NUMBER, "GB")).end is End.NO_ANSWER
    row = "SELECT (questions, failed, micros)::text FROM lookup_spending"
    assert await looking.walk.ask(row) == f"(1,2,{CENT})"


async def test_countries_and_names_choose_the_source(looking: Looking) -> None:
    """One for the country comes before one for all; a disabled one is not asked."""
    await looking.source("all", follow=False)
    await looking.source("german", follow=False, countries=["DE"])
    await looking.source("british", follow=False, countries=["GB"], enabled=False)

    async def source(number: str, country: str, name: str | None = None) -> str | None:
        asked = await looking.lookups.look(number, country, name)
        return asked.source.name if asked.source else None

    assert await source(NUMBER, "GB") == "all"
    assert await source("+4915112345678", "DE") == "german"
    assert await source("+4915112345679", "DE", "all") == "all"
    assert (await looking.lookups.look(NUMBER, "GB", "german")).end is End.NO_SOURCE


@pytest.mark.parametrize(("told", "kept"), [(VODAFONE, VODAFONE), (O2, None), ("nonsense", None)])
async def test_receipts_teach(looking: Looking, told: str, kept: str | None) -> None:
    """A network in a receipt that is not that of the digits is kept, without a question."""
    message = await looking.send()
    await looking.told(told)
    await looking.run()
    assert await looking.walk.status(message) == "delivered"
    assert await looking.walk.ask("SELECT network FROM number_networks") == kept
    assert looking.networks.of(NUMBER) == (kept or O2)
    carrier = looking.walk.carriers[1 if kept else 0]
    assert (await looking.send()).carrier_id == carrier.number


async def test_carriers_of_others_teach_nothing(looking: Looking) -> None:
    """Who brings a carrier of an account below cannot steer the messages of others by it."""
    await looking.send()
    below = "WITH below AS (INSERT INTO accounts (public_id, parent_id, name, signing_secret)"
    await looking.walk.ask(
        f"{below} SELECT gen_random_uuid(), id, 'below', '' FROM accounts RETURNING id)"
        " UPDATE carriers SET account_id = below.id FROM below WHERE name = 'first' RETURNING 1"
    )
    await looking.walk.keeper.follow()
    await looking.told(VODAFONE)
    await looking.run()
    assert looking.networks.of(NUMBER) == O2


async def test_an_answer_counts_more_than_receipts(looking: Looking) -> None:
    """What a source was paid for stays, whatever a carrier says by the way."""
    await looking.source(follow=False)
    await looking.lookups.look(NUMBER, "GB")
    await looking.send()
    await looking.told(VODAFONE)
    await looking.run()
    assert await looking.walk.ask("SELECT network || source FROM number_networks") == f"{O2}main"


async def test_nothing_is_kept_while_nobody_asks_for_networks(looking: Looking) -> None:
    """Without a route or a price by network no number is asked about and none is known."""
    await looking.source()
    await looking.walk.ask("UPDATE routes SET match = '{}' RETURNING 1")
    await looking.walk.keeper.follow()
    await looking.send()
    await looking.run()
    assert looking.far_side.asked == []
    assert looking.networks.of(NUMBER) is None
