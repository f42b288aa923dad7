"""A simulated provider as a carrier of a running server: added by its API, called back by it."""

from typing import Any

from onesixty.cli.client import Api
from onesixty.cli.terminal import Failure
from onesixty.simulator.http.stage import Stage


async def add(api: Api, stage: Stage, **more: Any) -> str:
    """Add a carrier that reaches a stage, or lead the one of its name there; gives its name.

    `more`: other settings of the carrier. From then on the stage calls the server. Raises Failure.
    """
    name = stage.far_side.name
    settings = {**stage.settings(), **more}
    answer = await api.ask("GET", f"/v1/carriers/{name}")
    if answer.status == 404:
        body = {"name": name, "kind": name, "settings": settings}
        carrier = await api.post("/v1/carriers", body)
    else:
        carrier = await api.patch(f"/v1/carriers/{name}", {"settings": settings})
    urls = {path: one["url"] for path, one in carrier["callbacks"].items()}
    if None in urls.values():
        raise Failure(
            "the server has no public URL to be called at: start it with ONESIXTY_PUBLIC_URL,"
            f" for a simulator on its machine {api.url}"
        )
    # Kinds that are told of all at one place have one URL.
    other = next(iter(urls.values()), "")
    stage.status_url, stage.inbound_url = urls.get("status", other), urls.get("inbound", other)
    return name
