"""Spoilt requests of a customer, against the whole platform: each is answered, none is a bug."""

import random
from collections import Counter
from collections.abc import AsyncIterator
from typing import Final

import pytest

from entrypoints.smpp.customer import Office, office
from onesixty.smpp.pdus import RESPONSE_BIT, Command
from onesixty.smpp.statuses import Status
from smpp.wiring import Raw

from .octets import grown

REQUESTS: Final = (
    Command.SUBMIT_SM, Command.SUBMIT_SM, Command.SUBMIT_SM, Command.DATA_SM, Command.SUBMIT_MULTI,
    Command.QUERY_SM, Command.CANCEL_SM, Command.REPLACE_SM,
)  # fmt: skip
COUNT: Final = 400
AT_ONCE: Final = 8


@pytest.fixture
async def desk(url: str) -> AsyncIterator[Office]:
    """A platform that sends to the sandbox, and one customer."""
    async with office(url) as found:
        await found.esme("esme")
        yield found


async def test_every_request_is_answered(desk: Office) -> None:
    """Requests with anything in any field have one answer each, and the server no error to tell."""
    chance = random.Random(4)
    client = await Raw.connect(desk.port, Command.BIND_TRANSCEIVER)
    answers: Counter[int] = Counter()
    for first in range(0, COUNT, AT_ONCE):
        asked = {}
        for sequence in range(first + 1000, first + 1000 + AT_ONCE):
            octets = grown(chance, chance.choice(REQUESTS), plain=0.9)
            octets[12:16] = sequence.to_bytes(4, "big")
            asked[sequence] = int.from_bytes(octets[4:8], "big") | RESPONSE_BIT
            client.write(bytes(octets))
        while asked:
            answer = await client.read()
            if answer.is_response:
                assert asked.pop(answer.sequence) == answer.command
                answers[answer.status] += 1
    await client.close()
    assert answers[Status.RSYSERR] == 0, answers
    assert answers[Status.ROK] > 20, answers
    assert len(answers) > 5, answers
