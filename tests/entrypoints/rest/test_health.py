"""Whatever monitors the server gets true answers, and no key is asked for where none can be had."""

from .door import Door


async def test_alive(door: Door) -> None:
    """The process is alive as long as its event loop turns; no key is needed."""
    answer = await door.ask("GET", "/healthz", key="")
    assert (answer.status, answer.body) == (200, {"status": "ok"})


async def test_ready(door: Door) -> None:
    """Readiness follows the platform and gives its reasons."""
    ready = await door.ask("GET", "/readyz", key="")
    assert (ready.status, ready.body) == (200, {"status": "ready", "reasons": []})
    door.reasons.append("the database does not answer")
    busy = await door.ask("GET", "/readyz", key="")
    assert (busy.status, busy.body["reasons"]) == (503, ["the database does not answer"])


async def test_metrics_of_this_machine(door: Door) -> None:
    """A scraper on the same machine needs no key."""
    answer = await door.ask("GET", "/metrics", key="")
    assert answer.status == 200
    assert "onesixty_messages_accepted_total" in answer.body


async def test_metrics_behind_a_proxy(door: Door) -> None:
    """What comes through a proxy of this machine is from elsewhere and needs `metrics:read`."""
    forwarded = {"X-Forwarded-For": "127.0.0.1"}
    assert (await door.ask("GET", "/metrics", key="", headers=forwarded)).status == 401
    poor = await door.key_of(door.account_id, "messages:read")
    assert (await door.ask("GET", "/metrics", key=poor, headers=forwarded)).status == 403
    scraper = await door.key_of(door.account_id, "metrics:read")
    assert (await door.ask("GET", "/metrics", key=scraper, headers=forwarded)).status == 200
    tenant = await door.key_of(await door.account("below", door.account_id), "*")
    assert (await door.ask("GET", "/metrics", key=tenant, headers=forwarded)).status == 403


async def test_problem_pages(door: Door) -> None:
    """The `type` of a problem leads to a page that says what to do."""
    problem = await door.ask("GET", "/v1/carriers", key="")
    page = await door.ask("GET", problem.body["type"], key="")
    assert page.status == 200
    assert "No valid API key" in page.body
    assert "onesixty keys create" in page.body


async def test_problem_list(door: Door) -> None:
    """Every problem is listed; an unknown one is not found."""
    assert "/problems/no_route" in (await door.ask("GET", "/problems", key="")).body
    assert (await door.ask("GET", "/problems/none", key="")).status == 404


async def test_open_paths(door: Door) -> None:
    """The document says which paths take no key, and those take none."""
    paths = door.openapi["paths"]
    taking_none = {path for path in paths if paths[path].get("get", {}).get("security") == []}
    assert taking_none == {"/healthz", "/readyz", "/problems", "/problems/{code}"}
    for path in taking_none:
        assert (await door.ask("GET", path.format(code="no_route"), key="")).status == 200
