"""Whether all went as planned: nothing lost, nothing twice, nothing changed, anywhere."""

from collections import Counter

from onesixty.cli.demo import plan
from onesixty.cli.demo.peers import Receiver, TimedRecord
from onesixty.cli.demo.run import Played


def faults(played: Played, record: TimedRecord, receiver: Receiver) -> list[str]:
    """Everything that is not as planned, in words; empty when all is well."""
    found = _at_the_door(played)
    found += _at_the_carrier(played, record)
    found += _in_the_api(played)
    found += _by_webhook(played, receiver)
    return found


def _at_the_door(played: Played) -> list[str]:
    found = [f"{to} was not accepted" for to in played.plan if to not in played.ids]
    refusal = played.refusal
    if refusal is None or refusal.status != 422 or refusal.body["code"] != plan.REFUSED_CODE:
        found.append(f"the invalid number was not refused as it must be: {refusal}")
    return found


def _at_the_carrier(played: Played, record: TimedRecord) -> list[str]:
    """Each text exactly once, unchanged, and nothing else."""
    came: dict[str, list[str]] = {}
    for received in record.messages():
        came.setdefault(f"+{received.destination}", []).append(received.text)
    found = [
        f"the carrier got a message for {to}, which was never sent"
        for to in came.keys() - played.plan.keys()
    ]
    for to, planned in played.plan.items():
        expected = [planned.text] if planned.is_carried else []
        if came.get(to, []) != expected:
            found.append(f"{to}: the carrier should have {expected} and has {came.get(to, [])}")
    found += [f"+{to}: a part came {times} times" for (to, _), times in record.duplicates().items()]
    return found


def _in_the_api(played: Played) -> list[str]:
    shown = {message["id"]: message for message in played.messages}
    found = []
    for to, identifier in played.ids.items():
        status = shown[identifier]["status"] if identifier in shown else "lost"
        if status != played.plan[to].status:
            found.append(f"{to}: it is {status}, not {played.plan[to].status}")
    replies = Counter(
        (m["from"], m["to"], m["body"]) for m in played.messages if m["direction"] == "inbound"
    )
    expected = Counter((p.to, p.sender, p.text) for p in played.plan.values() if p.is_echoed)
    if replies != expected:
        found.append(f"the replies are {list(replies)}, not {list(expected)}")
    if (more := len(shown) - len(played.ids) - sum(replies.values())) > 0:
        found.append(f"the API shows {more} messages that nobody sent")
    return found


def _by_webhook(played: Played, receiver: Receiver) -> list[str]:
    """Each event exactly once and signed, and those of each message in their order."""
    found = (
        [f"{receiver.forged} webhooks were not signed as they must be"] if receiver.forged else []
    )
    events = {arrival.event["id"]: arrival.event for arrival in receiver.arrivals}
    if (repeats := len(receiver.arrivals) - len(events)) > 0:
        found.append(f"{repeats} webhooks came again although they were answered")
    told: dict[str, list[str]] = {}
    for event in sorted(events.values(), key=lambda event: event["sequence"]):
        kind = event["type"].removeprefix("message.")
        told.setdefault(event["data"]["id"], []).append(kind)
    for to, identifier in played.ids.items():
        expected = list(played.plan[to].events)
        if (got := told.pop(identifier, [])) != expected:
            found.append(f"{to}: its events should be {expected} and are {got}")
    replies = sum(one.is_echoed for one in played.plan.values())
    if list(told.values()) != [["received"]] * replies:
        found.append(f"besides, there should be {replies} event received, and there is: {told}")
    return found
