"""What customers submit over SMPP: what becomes of it, and what they are told."""

from onesixty.smpp.pdus import Command

from .customer import RECIPIENT, Office, submit_sm


async def test_a_submit_is_a_row_before_its_answer(desk: Office) -> None:
    """The id of the answer names a message that is stored, with where it came from."""
    number = await desk.esme()
    client = await desk.bound()
    answer = await client.ask(submit_sm(b"hello \x1be", registered_delivery=1))
    assert (answer.command, answer.status) == (Command.SUBMIT_SM_RESP, 0)
    row = await desk.message(answer.text("message_id"))
    assert (row["sender"], row["recipient"], row["body"]) == ("Shop", "+" + RECIPIENT, "hello €")
    assert row["origin"] == {
        "esme": number,
        "registered": 1,
        "source": [5, 0, "Shop"],
        "destination": [1, 1, RECIPIENT],
        "reference": None,
    }
