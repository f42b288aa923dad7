"""Who may call whom how often: shares, windows, pauses."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from onesixty.features.webhooks.targets import WINDOW_FIRST, Target, Targets

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def begin(targets: Targets, target: Target) -> int:
    """Begin as many calls as there is room for; returns how many."""
    room = min(targets.room(target, NOW), targets.free())
    for _ in range(room):
        targets.began(target)
    return room


def test_a_window_opens_with_success_and_halves_with_failure() -> None:
    """A target begins with a few calls at a time, earns more, and loses half with each failure."""
    targets, seen = Targets(512, 64), []
    target = targets.endpoint(1)
    for success in [True] * 200 + [False] * 3:
        targets.began(target)
        target.succeeded(0.1) if success else target.failed(0.1, NOW, None)
        targets.ended(target, NOW, was_failing=False)
        seen.append(target.window)
    assert seen[0] == WINDOW_FIRST + 1
    assert max(seen) == 64
    assert seen[-3:] == [32, 16, 8]


@given(st.lists(st.integers(0, 7), max_size=60))
def test_a_newcomer_finds_room(order: list[int]) -> None:
    """Eight endpoints that took all they could get and then hang leave room for one more."""
    targets = Targets(512, 128)
    for number in order:
        target = targets.endpoint(number)
        target.window = 128
        begin(targets, target)
    assert begin(targets, targets.endpoint(99)) > 0


def test_failing_targets_share_a_quarter() -> None:
    """Endpoints that fail never hold more than a quarter of the calls together."""
    targets = Targets(100, 50)
    began = 0
    for number in range(100):
        target = targets.endpoint(number)
        target.failed(1, NOW, None)
        began += begin(targets, target)
    assert began <= 25 + 4
    assert begin(targets, targets.endpoint(1000)) > 0


def test_rows_without_room_come_back_at_the_pace_of_the_target() -> None:
    """A target that takes 0.1 s a call with 8 at a time gets 80 rows a second back, in order."""
    target = Target(seconds=0.1)
    times = [target.put_back_until(NOW) for _ in range(400)]
    assert times == sorted(times)
    assert times[0] >= NOW + timedelta(seconds=1)
    assert abs((times[-1] - times[0]).total_seconds() - 5) < 0.1


def test_rows_of_a_dead_target_come_back_ever_later() -> None:
    """The pause doubles with each failure in a row, up to ten minutes."""
    target, pauses = Target(), []
    for _ in range(14):
        target.failed(15, NOW, None)
        target.booked_until = None
        pauses.append((target.put_back_until(NOW) - NOW).total_seconds())
    assert pauses[0] < pauses[3] < pauses[6]
    assert 600 <= pauses[-1] <= 1200
