"""Whether all went as planned: everything arrived once, by whom it should, and was told of."""

from collections import Counter

from onesixty.cli.demo.carriers.play import Played


def faults(played: Played) -> list[str]:
    """Everything that is not as planned, in words; empty when all is well."""
    return [*_in_the_api(played), *_at_the_carriers(played), *_replies(played), *_told(played)]


def _in_the_api(played: Played) -> list[str]:
    shown = {one["id"]: one for one in played.messages}
    found = []
    for name, planned in played.plan.items():
        here = f"{planned.company.name}, {planned.title}"
        message = shown.get(name)
        if message is None:
            found.append(f"{here}: it is lost")
            continue
        if message["status"] not in ("delivered", "read"):
            found.append(f"{here}: it is {message['status']}: {message['error']}")
        if message["carrier"] != planned.by:
            found.append(f"{here}: {message['carrier']} has it, not {planned.by}")
        events = [one["type"].partition(".")[2] for one in played.timelines[name]["events"]]
        if events != list(planned.events) and events[-1] != "read":
            found.append(f"{here}: its events should be {list(planned.events)} and are {events}")
    return found


def _at_the_carriers(played: Played) -> list[str]:
    """Each text came to exactly one carrier, once; of media and templates as many as were sent."""
    plain = Counter((one.by, one.text) for one in played.plan.values() if one.is_plain)
    texts = {text for _, text in plain}
    came, others = Counter[tuple[str, str]](), Counter[str]()
    for name, stage in played.stages.items():
        for one in stage.submitted:
            if one.text in texts:
                came[name, one.text] += 1
            else:
                others[name] += 1
    wanted = Counter(one.by for one in played.plan.values() if not one.is_plain)
    return [
        f"{name} should have {plain[name, text]} of {text!r} and has {came[name, text]}"
        for name, text in sorted(came.keys() | plain.keys())
        if came[name, text] != plain[name, text]
    ] + [
        f"{name} should have {wanted[name]} with media or templates and has {others[name]}"
        for name in played.stages
        if wanted[name] != others[name]
    ]


def _replies(played: Played) -> list[str]:
    came = Counter(
        (one["carrier"], one["body"]) for one in played.messages if one["direction"] == "inbound"
    )
    wanted = Counter((one.by, one.text) for one in played.plan.values() if one.is_echoed)
    missing, unasked = wanted - came, came - wanted
    return [f"{name}: the reply {text!r} did not come" for name, text in missing] + [
        f"{name}: the reply {text!r} came, and too often" for name, text in unasked
    ]


def _told(played: Played) -> list[str]:
    found = []
    for name, planned in played.plan.items():
        if not played.timelines[name]["receipts"]:
            found.append(f"{planned.company.name}, {planned.title}: no receipt came")
    costs = [part["cost"] for one in played.timelines.values() for part in one["parts"]]
    if not any(costs):
        found.append("no carrier told what it takes")
    found += [
        f"{name} is not explained"
        for name, one in played.explanations.items()
        if not one["carriers"]
    ]
    return found
