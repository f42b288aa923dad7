"""Which process holds which session of a carrier, so that all hold about as many.

Every process works out the same answer from the same roll, and acts for itself alone. What is held
stays where it is unless the shares differ by two or more: nothing flaps.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

Slot = tuple[int, int]  # number of the carrier, number of the session from 0
Shares = dict[int, dict[int, list[int]]]  # carrier, node, its sessions


def share_out(
    wanted: Mapping[int, int], live: Sequence[int], held: Mapping[Slot, int]
) -> dict[Slot, int]:
    """The node of every slot. `wanted`: sessions by carrier; `held`: who holds a slot now."""
    if not live:
        return {}
    shares, load = _kept(wanted, live, held)
    for carrier, count in sorted(wanted.items()):
        mine = shares[carrier]
        taken = {slot for slots in mine.values() for slot in slots}
        for slot in range(count):
            if slot not in taken:
                node = min(live, key=lambda one: (len(mine[one]), load[one], one))
                mine[node].append(slot)
                load[node] += 1
        _level(mine, load)
    _level_all(shares, load, live)
    return {
        (carrier, slot): node
        for carrier, mine in shares.items()
        for node, slots in mine.items()
        for slot in slots
    }


def _kept(
    wanted: Mapping[int, int], live: Sequence[int], held: Mapping[Slot, int]
) -> tuple[Shares, Counter[int]]:
    shares: Shares = {carrier: {node: [] for node in live} for carrier in sorted(wanted)}
    load: Counter[int] = Counter()
    for (carrier, slot), node in sorted(held.items()):
        if slot < wanted.get(carrier, 0) and node in shares[carrier]:
            shares[carrier][node].append(slot)
            load[node] += 1
    return shares, load


def _level(mine: dict[int, list[int]], load: Counter[int]) -> None:
    """Move slots of one carrier until no two nodes differ by more than one."""
    while True:
        most = max(mine, key=lambda one: (len(mine[one]), load[one], one))
        least = min(mine, key=lambda one: (len(mine[one]), load[one], one))
        if len(mine[most]) - len(mine[least]) <= 1:
            return
        _move(mine, load, most, least)


def _level_all(shares: Shares, load: Counter[int], live: Sequence[int]) -> None:
    """Move what one node has more of a carrier until the sums differ by one at most."""
    while True:
        most = max(live, key=lambda one: (load[one], one))
        least = min(live, key=lambda one: (load[one], one))
        if load[most] - load[least] <= 1:
            return
        uneven = (mine for mine in shares.values() if len(mine[most]) > len(mine[least]))
        mine = next(uneven, None)
        if mine is None:
            return
        _move(mine, load, most, least)


def _move(mine: dict[int, list[int]], load: Counter[int], source: int, target: int) -> None:
    mine[source].sort()
    mine[target].append(mine[source].pop())
    load[source] -= 1
    load[target] += 1
