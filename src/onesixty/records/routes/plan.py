"""The routes of an account and of those above it, indexed: which take a message, in which order.

Pure, and made anew when the records change.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from onesixty.carriers import registry
from onesixty.kit import ids
from onesixty.records.routes.groups import Candidate
from onesixty.records.routes.match import Traits, Window, in_words, window
from onesixty.records.snapshot import Account, RouteRecord, Snapshot


@dataclass(frozen=True, slots=True)
class Rule:
    """A route, with what is worked out once."""

    route: RouteRecord
    owner: str  # the id of its account
    prefixes: tuple[str, ...]
    windows: tuple[Window, ...]

    def fit(self, prefix: str) -> int:
        """How long its longest prefix is that `prefix` begins with."""
        return max((len(one) for one in self.prefixes if prefix.startswith(one)), default=0)


@dataclass(frozen=True, slots=True)
class Table:
    """The routes of one account, by what finds them."""

    rules: tuple[Rule, ...]  # by position, older ones first
    by_prefix: Mapping[str, list[Rule]]
    by_country: Mapping[str, list[Rule]]  # those without a prefix
    others: list[Rule]

    def candidates(self, prefix: str, country: str | None) -> list[Rule]:
        """Those whose prefix and country fit, in the order in which they are tried.

        Within a position the longest prefix comes first, then the older route.
        """
        found: dict[int, tuple[int, Rule]] = {}
        for length in range(2, len(prefix) + 1):
            for rule in self.by_prefix.get(prefix[:length], ()):
                found[rule.route.id] = (length, rule)
        for rule in (*self.by_country.get(country or "", ()), *self.others):
            found[rule.route.id] = (0, rule)
        order = sorted(
            found.values(), key=lambda one: (one[1].route.position, -one[0], one[1].route.id)
        )
        return [
            rule
            for _, rule in order
            if "country" not in rule.route.match or country in rule.route.match["country"]
        ]


@dataclass(frozen=True, slots=True)
class Plan:
    """What can take the messages of an account: its own routes, then those of the accounts above.

    The other fields are all that these routes look at: messages alike in it are routed alike.
    """

    tables: tuple[Table, ...]
    above: tuple[str, ...]  # ids of the account and of those above it
    prefixes: frozenset[str]
    lengths: tuple[int, ...]  # of prefixes, longest first
    senders: frozenset[str]
    tags: frozenset[str]
    by_network: bool
    windows: tuple[Window, ...]
    is_plain: bool = field(default=True)  # looks at nothing but prefix, country, category, channel

    def prefix(self, recipient: str) -> str:
        """The longest prefix of any route that the recipient has; it stands for all shorter."""
        for length in self.lengths:
            if recipient[:length] in self.prefixes:
                return recipient[:length]
        return ""


@dataclass(frozen=True, slots=True)
class Asked:
    """A message as conditions see it: its traits, less what no route looks at."""

    traits: Traits
    prefix: str
    at: datetime
    above: tuple[str, ...]


def tables(book: Snapshot) -> dict[int, Table]:
    """The routes of each account."""
    return {
        account_id: _table(book.accounts[account_id], routes)
        for account_id, routes in book.routes.items()
    }


def plan(book: Snapshot, found: Mapping[int, Table], account_id: int) -> Plan:
    """What serves an account; empty for one that is not on file."""
    chain = list(_chain(book, account_id))
    own = tuple(found[one.id] for one in chain if one.id in found)
    rules = [rule for table in own for rule in table.rules]
    prefixes = frozenset(prefix for rule in rules for prefix in rule.prefixes)
    senders, tags = _values(rules, "sender"), _values(rules, "tag")
    by_network = any("network" in rule.route.match for rule in rules)
    windows = tuple(dict.fromkeys(one for rule in rules for one in rule.windows))
    return Plan(
        tables=own,
        above=tuple(ids.to_text("acc", one.public_id) for one in chain),
        prefixes=prefixes,
        lengths=tuple(sorted({len(one) for one in prefixes}, reverse=True)),
        senders=senders,
        tags=tags,
        by_network=by_network,
        windows=windows,
        is_plain=not (senders or tags or by_network or windows),
    )


def unmet(rule: Rule, asked: Asked) -> str | None:
    """The first condition of the route that the message does not meet."""
    traits = asked.traits
    for name, wanted in rule.route.match.items():
        if name == "prefix":
            fits = rule.fit(asked.prefix) > 0
        elif name == "tag":
            fits = any(tag in wanted for tag in traits.tags)
        elif name == "time":
            fits = any(one.holds(asked.at) for one in rule.windows)
        elif name == "account":
            fits = any(one in wanted for one in asked.above)
        else:
            fits = getattr(traits, name) in wanted
        if not fits:
            return name
    return None


def against(rule: Rule, name: str, asked: Asked) -> str:
    """The unmet condition in words, which tell nothing that differs between messages alike."""
    wanted = in_words(name, rule.route.match[name])
    if name in ("country", "category", "channel", "network"):
        given = getattr(asked.traits, name)
        return f"{name} is {given or 'not known'}, the route takes {wanted}"
    words = {
        "prefix": f"the number does not begin with {wanted}",
        "sender": f"the sender is not {wanted}",
        "account": f"the account is not, and is not below, {wanted}",
        "tag": f"the message has no tag {wanted}",
        "time": f"it is not the time: {wanted}",
    }
    return words[name]


def usable(book: Snapshot, route: RouteRecord, channel: str) -> list[Candidate]:
    """The carriers of a route that are enabled and have the channel, in their order."""
    found: dict[int, Candidate] = {}
    for number, group in enumerate(route.groups):
        for place, choice in enumerate(group.carriers):
            if refused(book, choice.carrier_id, channel) is None:
                one = Candidate(choice.carrier_id, number, place, choice.weight)
                found.setdefault(choice.carrier_id, one)
    return list(found.values())


def refused(book: Snapshot, carrier_id: int, channel: str) -> tuple[str, str] | None:
    """Code and words why a carrier takes no message of the channel at all, if so."""
    record = book.carriers.get(carrier_id)
    if record is None:
        return "removed", "it is no longer on file"
    if not record.enabled:
        return "disabled", "it is disabled"
    spec = registry.SPECS.get(record.kind)
    if spec is None or channel not in spec.channels:
        has = ", ".join(spec.channels) if spec else "nothing"
        return "channel", f"channel is {channel}, the carrier has {has}"
    return None


def _chain(book: Snapshot, account_id: int) -> Iterator[Account]:
    account = book.accounts.get(account_id)
    while account is not None:
        yield account
        account = book.accounts.get(account.parent_id) if account.parent_id else None


def _table(account: Account, routes: tuple[RouteRecord, ...]) -> Table:
    owner = ids.to_text("acc", account.public_id)
    rules = tuple(
        Rule(
            route,
            owner,
            route.match.get("prefix", ()),
            tuple(window(one) for one in route.match.get("time", ())),
        )
        for route in routes
    )
    table = Table(rules, {}, {}, [])
    for rule in rules:
        _index(table, rule)
    return table


def _index(table: Table, rule: Rule) -> None:
    by_prefix: Any = table.by_prefix
    by_country: Any = table.by_country
    match = rule.route.match
    if "prefix" in match:
        for prefix in match["prefix"]:
            by_prefix.setdefault(prefix, []).append(rule)
    elif "country" in match:
        for country in match["country"]:
            by_country.setdefault(country, []).append(rule)
    else:
        table.others.append(rule)


def _values(rules: list[Rule], name: str) -> frozenset[str]:
    return frozenset(value for rule in rules for value in rule.route.match.get(name, ()))
