"""What goes over the sessions of a carrier, seen through the API."""

from typing import Any

from .platform import Walk, walking


def names(trace: dict[str, Any]) -> list[str]:
    """Directions and commands, in their order."""
    return [f"{one['kind']} {one.get('command') or ''}".strip() for one in trace["data"]]


async def test_another_process_tells_what_it_saw(url: str) -> None:
    """A process without sessions answers with the PDUs of the one that has them, secrets covered.

    Whoever asks again with the cursor gets only what came since.
    """
    async with walking(url, "api", "dispatch", "notify") as walk:
        await walk.ended(await walk.send("+447700900123", "your code is 4711"))
        trace = await walk.get("/v1/carriers/acme/trace")
        assert names(trace) == [
            "opened",
            "out bind_transceiver", "in bind_transceiver_resp",
            "out submit_sm", "in submit_sm_resp",
            "in deliver_sm", "out deliver_sm_resp",
        ]  # fmt: skip
        submitted = trace["data"][3]
        assert submitted["session"] == "1 transceiver"
        assert submitted["process"] == walk.others[0].node.number
        assert submitted["fields"]["destination_addr"] == "44770*******"
        assert submitted["message"]["characters"] == len("your code is 4711")
        assert "text" not in submitted["message"]
        assert trace["data"][4]["fields"]["message_id"] == trace["data"][5]["receipt"]["id"]
        assert trace["silent"] == []
        again = await walk.get(f"/v1/carriers/acme/trace?after={trace['next']}")
        assert again["data"] == []
        await walk.ended(await walk.send("+447700900123", "again"))
        path = f"/v1/carriers/acme/trace?after={again['next']}&limit=3&show_text=true"
        newest = await walk.get(path)
        assert names(newest) == ["in submit_sm_resp", "in deliver_sm", "out deliver_sm_resp"]
        assert newest["left_out"] == 1
        assert newest["data"][1]["fields"]["source_addr"] == "447700900123"
        assert await walk.rows("SELECT * FROM questions") == []


async def test_who_may_see_what(walk: Walk) -> None:
    """Texts need a scope of their own; a cursor that is none and a carrier that is not are told."""
    made = await walk.post("/v1/keys", {"name": "tracing", "scopes": ["traces:read"]})
    path = "/v1/carriers/acme/trace"
    for query, status, key in (
        ("", 200, made["key"]),
        ("?show_text=true", 403, made["key"]),
        ("?after=nonsense", 422, made["key"]),
        ("?limit=1001", 422, made["key"]),
    ):
        answer = await walk.ask("GET", path + query, key=key)
        assert answer.status == status, answer
    assert (await walk.ask("GET", "/v1/carriers/none/trace")).status == 404
    assert (await walk.get("/v1/carriers/sandbox/trace"))["data"] == []
