"""Limits: which of them a message falls under."""

from dataclasses import replace
from uuid import UUID

import pytest

from onesixty.kit.problems import Problem
from onesixty.records import limits
from onesixty.records.snapshot import LimitRecord, Snapshot

from .books import ACCOUNT, NOBODY, PARENT, book

OWN = UUID(int=7)


def limited(*given: tuple[int, str, str]) -> Snapshot:
    """A book with these limits: whose, kind, value."""
    found = [
        LimitRecord(n, whose, kind, value, 1.0, 1) for n, (whose, kind, value) in enumerate(given)
    ]
    plain = book()
    accounts = dict(plain.accounts) | {ACCOUNT: replace(plain.accounts[ACCOUNT], public_id=OWN)}
    by_account = {n: tuple(one for one in found if one.account_id == n) for n in accounts}
    return replace(plain, accounts=accounts, limits=by_account)


@pytest.mark.parametrize(
    ("whose", "kind", "value", "applies"),
    [
        (ACCOUNT, "sender", "ACME", True),
        (ACCOUNT, "sender", "OTHER", False),
        (PARENT, "sender", "ACME", True),
        (ACCOUNT, "country", "GB", True),
        (ACCOUNT, "country", "FR", False),
        (ACCOUNT, "account", str(OWN), True),
        (PARENT, "account", str(OWN), True),
        (PARENT, "account", str(NOBODY), True),
        (PARENT, "account", str(UUID(int=9)), False),
    ],
)
def test_which_apply(whose: int, kind: str, value: str, applies: bool) -> None:
    """Those of the account and of its parent apply, where sender, country or account fit."""
    found = limited((whose, kind, value))
    assert bool(limits.applying(found, ACCOUNT, "ACME", "GB")) is applies
    assert (limits.flow_of(found, ACCOUNT, "ACME", "GB") is not None) is applies


def test_a_flow_leads_back_to_its_limits() -> None:
    """The flow of a message names all limits that it falls under, and no others."""
    found = limited(
        (ACCOUNT, "sender", "ACME"),
        (PARENT, "country", "GB"),
        (PARENT, "account", str(NOBODY)),
        (ACCOUNT, "sender", "OTHER"),
    )
    flow = limits.flow_of(found, ACCOUNT, "ACME", "GB")
    assert flow is not None
    direct = limits.applying(found, ACCOUNT, "ACME", "GB")
    assert limits.of_flow(found, ACCOUNT, flow) == direct
    assert len(direct) == 3


def test_without_limits_there_is_no_flow() -> None:
    """Nothing limited, nothing to remember; and a flow whose limits are gone has none."""
    assert limits.flow_of(book(), ACCOUNT, "ACME", "GB") is None
    assert limits.flow_of(limited((PARENT, "sender", "X")), ACCOUNT, "ACME", "GB") is None
    assert limits.of_flow(book(), ACCOUNT, "sender=ACME") == []


@pytest.mark.parametrize(("kind", "value"), [("country", "UK"), ("country", ""), ("sender", "+")])
def test_values_that_no_message_has(kind: str, value: str) -> None:
    """A limit that could never apply is refused, with what the kind takes."""
    with pytest.raises(Problem) as raised:
        limits.check(kind, value)
    assert limits.KINDS[kind] in raised.value.detail


def test_values_as_messages_have_them() -> None:
    """Countries in capitals, numbers in E.164."""
    assert limits.check("country", "gb") == "GB"
    assert limits.check("sender", "447700900123") == "+447700900123"
