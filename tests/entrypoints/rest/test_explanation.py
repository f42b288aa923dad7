"""`/v1/messages/{id}/explanation`: why a message went where it goes."""

from .door import Door

SEND = {"to": "+447700900123", "from": "ACME", "body": "Hello"}


async def test_explanation_of_a_message(sending: Door) -> None:
    """The route, its carrier and the routes that were refused before it."""
    route = {"name": "french", "match": {"country": "FR"}, "carriers": [{"carrier": "main"}]}
    await sending.ask("POST", "/v1/routes", route | {"position": 1})
    message = (await sending.ask("POST", "/v1/messages", SEND)).body
    answer = await sending.ask("GET", f"/v1/messages/{message['id']}/explanation")
    assert answer.status == 200
    assert (answer.body["message"], answer.body["sandbox"]) == (message["id"], False)
    assert answer.body["route"] == message["route"] == "all"
    (lane,) = answer.body["carriers"]
    assert (lane["carrier"], lane["verdict"], lane["code"]) == ("main", "chosen", "only")
    assert answer.body["refused"] == [
        {"route": "french", "code": "country", "detail": "country is GB, the route takes FR"}
    ]


async def test_explanation_of_a_test_message(sending: Door) -> None:
    """With a test key no route is looked at: the sandbox took it."""
    key = await sending.key_of(sending.account_id, "*", test=True)
    message = (await sending.ask("POST", "/v1/messages", SEND, key=key)).body
    answer = await sending.ask("GET", f"/v1/messages/{message['id']}/explanation")
    assert (answer.body["sandbox"], answer.body["route"], answer.body["carriers"]) == (
        True, None, [],
    )  # fmt: skip


async def test_no_explanation(sending: Door) -> None:
    """A message that is not there, or another account's, has none; it needs the scope."""
    path = "/v1/messages/msg_01k0000000e008000000000000/explanation"
    assert (await sending.ask("GET", path)).status == 404
    message = (await sending.ask("POST", "/v1/messages", SEND)).body
    path = f"/v1/messages/{message['id']}/explanation"
    other = await sending.key_of(await sending.account("other", sending.account_id), "*")
    assert (await sending.ask("GET", path, key=other)).status == 404
    few = await sending.key_of(sending.account_id, "routes:read")
    assert (await sending.ask("GET", path, key=few)).status == 403
