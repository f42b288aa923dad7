"""Sessions are shared out evenly, stay where they are, and everybody gets the same answer."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from onesixty.nodes.slots import Slot, share_out

wants = st.dictionaries(st.integers(1, 6), st.integers(1, 9), max_size=5)
nodes = st.lists(st.integers(1, 9), min_size=1, max_size=5, unique=True)
holds = st.dictionaries(
    st.tuples(st.integers(1, 6), st.integers(0, 9)), st.integers(1, 9), max_size=20
)


def per_carrier(shares: dict[Slot, int], carrier: int, live: list[int]) -> list[int]:
    """How many sessions of the carrier each node has."""
    counts = Counter(node for (one, _), node in shares.items() if one == carrier)
    return [counts[node] for node in live]


@given(wants, nodes, holds)
def test_every_session_has_one_live_node(
    wanted: dict[int, int], live: list[int], held: dict[Slot, int]
) -> None:
    """All that is wanted is given, nothing else, and to those who live."""
    shares = share_out(wanted, live, held)
    assert set(shares) == {(one, slot) for one, count in wanted.items() for slot in range(count)}
    assert set(shares.values()) <= set(live)


@given(wants, nodes, holds)
def test_shares_are_even(wanted: dict[int, int], live: list[int], held: dict[Slot, int]) -> None:
    """Of each carrier no two nodes differ by more than one."""
    shares = share_out(wanted, live, held)
    for carrier in wanted:
        counts = per_carrier(shares, carrier, live)
        assert max(counts) - min(counts) <= 1


@given(wants, nodes, holds)
def test_nothing_flaps(wanted: dict[int, int], live: list[int], held: dict[Slot, int]) -> None:
    """Once all hold their shares nothing moves any more, whoever asks, in whatever order."""
    shares = share_out(wanted, live, held)
    assert share_out(wanted, live, shares) == shares
    assert share_out(wanted, list(reversed(live)), held) == shares


@given(st.integers(1, 8), nodes)
def test_carriers_with_one_session_are_spread(count: int, live: list[int]) -> None:
    """Carriers that only one process can have go to all of them in turn."""
    shares = share_out(dict.fromkeys(range(count), 1), live, {})
    loads = Counter(shares.values())
    assert max(loads[node] for node in live) - min(loads[node] for node in live) <= 1


def test_the_dead_lose_theirs_and_the_living_keep_theirs() -> None:
    """When a process dies only its sessions move."""
    held = share_out({1: 6}, [1, 2, 3], {})
    after = share_out({1: 6}, [1, 2], {slot: node for slot, node in held.items() if node != 3})
    assert {slot: node for slot, node in held.items() if node != 3}.items() <= after.items()


def test_a_newcomer_gets_no_more_than_its_share() -> None:
    """When a process joins, as many sessions move as it is to have, and no others."""
    held = share_out({1: 6}, [1, 2], {})
    after = share_out({1: 6}, [1, 2, 3], held)
    moved = {slot for slot in held if held[slot] != after[slot]}
    assert moved == {slot for slot, node in after.items() if node == 3}
    assert len(moved) == 2


def test_nobody_there() -> None:
    """Without a process that dispatches nobody has anything."""
    assert share_out({1: 2}, [], {}) == {}
