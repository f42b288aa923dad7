"""`/v1/esmes`: customers let in, changed, and sent away."""

from typing import Any

from onesixty.kit import ids
from onesixty.kit.secrets import password_fits
from onesixty.messages.render import timestamp

from .door import Answer, Door


async def add(door: Door, **fields: Any) -> Answer:
    """The answer to a new ESME."""
    return await door.ask("POST", "/v1/esmes", {"system_id": "acme01"} | fields)


async def test_from_added_to_removed(door: Door) -> None:
    """An ESME is made with a password that is shown once, changed in part, and then unknown."""
    made = await add(door, allowed_ips=["192.0.2.7/24"], allowed_senders=["+44 7700 900123"])
    assert made.status == 201
    assert (made.body["allowed_ips"], made.body["max_binds"]) == (["192.0.2.0/24"], 4)
    assert made.body["allowed_senders"] == ["+447700900123"]
    known = door.context.keeper.book.esme_names["acme01"]
    assert password_fits(made.body["password"], known.password_hash)
    assert known.admits("192.0.2.200")
    assert known.admits("::ffff:192.0.2.1")
    assert not known.admits("198.51.100.1")
    path = "/v1/esmes/acme01"
    shown = made.body | {"password": None}
    assert (await door.ask("GET", path)).body == shown
    assert (await door.ask("GET", "/v1/esmes")).body == {"data": [shown], "next": None}
    changes = {"max_binds": 9, "allowed_ips": None, "enabled": False, "password": "another1"}
    changed = (await door.ask("PATCH", path, changes)).body
    assert (changed["max_binds"], changed["allowed_ips"], changed["enabled"]) == (9, [], False)
    assert changed["allowed_senders"] == ["+447700900123"]
    known = door.context.keeper.book.esme_names["acme01"]
    assert password_fits("another1", known.password_hash)
    assert (await door.ask("DELETE", path)).status == 204
    assert (await door.ask("GET", path)).status == 404
    assert door.context.keeper.book.esmes == {}


async def test_a_name_is_taken_on_the_whole_server(door: Door) -> None:
    """Two accounts cannot have one system_id, and neither sees what the other has."""
    assert (await add(door)).status == 201
    other = await door.key_of(await door.account("other"), "*")
    body = {"system_id": "acme01"}
    assert (await door.ask("POST", "/v1/esmes", body, key=other)).status == 409
    assert (await door.ask("GET", "/v1/esmes/acme01", key=other)).status == 404
    assert (await door.ask("DELETE", "/v1/esmes/acme01", key=other)).status == 404


async def test_refusals(door: Door) -> None:
    """What no bind could have, or nobody could mean, is refused with the field named."""
    for fields, pointer in (
        ({"system_id": "much-too-long-a-name"}, "/system_id"),
        ({"system_id": "a/b"}, "/system_id"),
        ({"password": "ninechars"}, "/password"),
        ({"password": "spa ce"}, "/password"),
        ({"allowed_ips": ["192.0.2.0/33"]}, "/allowed_ips"),
        ({"bind_modes": ["duplex"]}, "/bind_modes"),
        ({"allowed_senders": ["a name that is too long"]}, "/allowed_senders"),
        ({"country": "XX"}, "/country"),
        ({"id_form": "base64"}, "/id_form"),
        ({"numbers": ["44*77"]}, "/numbers"),
        ({"tags": ["a\u0000b"]}, "/tags"),
        ({"rate_per_second": 0}, "/rate_per_second"),
        ({"window": 0}, "/window"),
    ):
        answer = await add(door, **fields)
        assert answer.status == 422, (fields, answer.body)
        assert [error["pointer"] for error in answer.body["errors"]] == [pointer]


async def test_what_waits_and_what_was_delivered(door: Door) -> None:
    """An ESME shows how much it has yet to take; the log shows each attempt, by message too."""
    assert (await add(door)).status == 201
    (number,) = door.context.keeper.book.esmes
    account = door.context.keeper.book.esmes[number].account_id
    message, told, untold, now = ids.uuid7(), ids.uuid7(), ids.uuid7(), door.context.clock.now()
    await door.context.database.fetch(TOLD, account, told, message, now)
    await door.context.database.fetch(WAITS, untold, -number, account, now)
    shown = (await door.ask("GET", "/v1/esmes/acme01")).body
    assert (shown["waiting"], shown["next_due_at"]) == (1, timestamp(now))
    tries = [
        (told, 0x64, "ESME_RX_T_APPN", now),
        (told, 0, None, None),
        (untold, None, "lost", now),
    ]
    for event, status, error, again in tries:
        arguments = account, ids.uuid7(), event, -number, status, error, now, again
        await door.context.database.fetch(TRIED, *arguments)
    path = "/v1/esmes/acme01/deliveries"
    found = (await door.ask("GET", path)).body["data"]
    assert [one["result"] for one in found] == ["retrying", "delivered", "retrying"]
    about = (await door.ask("GET", f"{path}?message={ids.to_text('msg', message)}")).body["data"]
    assert [one["command_status"] for one in about] == ["ESME_ROK", "ESME_RX_T_APPN"]
    assert {(one["type"], one["esme"]) for one in about} == {("message.delivered", "acme01")}
    failed = (await door.ask("GET", f"{path}?failed=true&limit=1")).body
    assert [one["error"] for one in failed["data"]] == ["lost"]
    rest = (await door.ask("GET", f"{path}?failed=true&after={failed['next']}")).body["data"]
    assert [one["error"] for one in rest] == ["ESME_RX_T_APPN"]
    assert (await door.ask("GET", f"{path}?message=nonsense")).status == 422
    other = await door.key_of(await door.account("other"), "*")
    assert (await door.ask("GET", path, key=other)).status == 404


TOLD = """
INSERT INTO events (account_id, id, type, sequence, message_id, at) VALUES ($1, $2, 6, 2, $3, $4)
"""
WAITS = """
INSERT INTO webhook_queue (event_id, endpoint_id, account_id, due_at) VALUES ($1, $2, $3, $4)
"""
TRIED = """
INSERT INTO deliveries (account_id, id, event_id, endpoint_id, attempt, url, status_code, error,
    milliseconds, at, next_attempt_at) VALUES ($1, $2, $3, $4, 1, 'smpp:acme01', $5, $6, 3, $7, $8)
"""
