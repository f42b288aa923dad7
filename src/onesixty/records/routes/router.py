"""Choosing the carrier of a message, with the reasons.

Decisions are kept: messages alike in all that their routes look at get the same answer until a
record, a quality or the state of a carrier changes. So it costs a look-up, and what an explanation
says is put together once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from onesixty.records.routes import explanation, groups
from onesixty.records.routes.explanation import Explained, Scene
from onesixty.records.routes.facts import Facts
from onesixty.records.routes.groups import Candidate, Standing
from onesixty.records.routes.match import Traits
from onesixty.records.routes.plan import Asked, Plan, Rule, Table, plan, tables, unmet, usable
from onesixty.records.snapshot import Snapshot

KEPT_MOST: Final = 50_000  # kinds of messages whose decisions are kept
ORDERS_MOST: Final = 1000  # of carriers, for each kind


class Chosen(NamedTuple):
    """The lane of a message, those to fall back to, in order, and why."""

    route_id: int
    carrier_id: int
    fallbacks: tuple[int, ...]
    explanation: int | None = None  # a row of `explanations`


@dataclass(slots=True)
class _Decision:
    """What the records decide for messages that are alike: the route, and who may carry them."""

    rule: Rule
    candidates: tuple[Candidate, ...]
    carrier_ids: tuple[int, ...]
    is_drawn: bool
    is_priced: bool
    version: int = -1  # of the facts that the rest was made from
    standings: list[Standing] = field(default_factory=list)
    counts: list[Any] = field(default_factory=list)  # what orders depend on of them
    # By who is up and what each costs; where chance has a say also by the first one and the
    # preferred one, and then only its explanation is of use.
    orders: dict[tuple[Any, ...], Chosen] = field(default_factory=dict)


class Router:
    """Chooses by the newest records and by facts; one for each process."""

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self.unkept: dict[int, dict[str, Any]] = {}  # explanations to store, by their ids
        self._kept: set[int] = set()
        self._book: Snapshot | None = None
        self._tables: Mapping[int, Table] = {}
        self._plans: dict[int, Plan] = {}
        self._decisions: dict[tuple[Any, ...], _Decision | None] = {}

    def choose(self, book: Snapshot, traits: Traits) -> Chosen | None:
        """The first route that matches and has a carrier for it; None when there is none.

        The account's own routes come first, then its parent's. What `unkept` holds afterwards must
        be stored before the message is.
        """
        decision, traits, plan = self._decide(book, traits)
        if decision is None:
            return None
        facts = self.facts
        if decision.version != (version := facts.version()):
            self._stand(decision, traits, version)
        up = tuple([facts.is_up(one) for one in decision.carrier_ids])
        costs = self._costs(decision, traits) if decision.is_priced else ()
        if not decision.is_drawn:
            chosen = decision.orders.get((up, costs))
            return chosen or self._order(decision, (up, costs), traits, plan)
        return self._order(decision, (up, costs), traits, plan)

    def explain(self, book: Snapshot, traits: Traits) -> Explained:
        """What would happen to such a message, with all reasons and numbers; keeps nothing."""
        decision, traits, plan = self._decide(book, traits)
        asked = self._asked(traits, plan)
        if decision is None:
            return explanation.explained(book, plan, asked, None)
        self._stand(decision, traits, self.facts.version())
        up = [self.facts.is_up(one) for one in decision.carrier_ids]
        costs = self._costs(decision, traits)
        scene = self._scene(decision, up, costs, self._ordered(decision, up, costs))
        return explanation.explained(book, plan, asked, scene)

    def kept(self, explanations: Mapping[int, Any]) -> None:
        """These are stored."""
        for number in explanations:
            self._kept.add(number)
            self.unkept.pop(number, None)

    def _decide(self, book: Snapshot, traits: Traits) -> tuple[_Decision | None, Traits, Plan]:
        if book is not self._book:
            self._follow(book)
        found = self._plans.get(traits.account_id)
        if found is None:
            found = self._plans[traits.account_id] = plan(book, self._tables, traits.account_id)
        prefix = found.prefix(traits.recipient)
        account_id, _, country, category, _, _, channel, _, _ = traits
        key: tuple[Any, ...] = (account_id, prefix, country, category, channel)
        if not found.is_plain:
            if found.by_network and traits.network is None:
                traits = traits._replace(network=self.facts.network(traits.recipient))
            key += self._details(found, traits)
        try:
            return self._decisions[key], traits, found
        except KeyError:
            decision = self._first(book, found, traits)
        if len(self._decisions) >= KEPT_MOST:
            self._decisions.clear()
        self._decisions[key] = decision
        return decision, traits, found

    def _details(self, plan: Plan, traits: Traits) -> tuple[Any, ...]:
        at = traits.at or self.facts.now()
        return (
            traits.sender if traits.sender in plan.senders else None,
            frozenset(traits.tags) & plan.tags if plan.tags else None,
            traits.network if plan.by_network else None,
            tuple([one.holds(at) for one in plan.windows]),
        )

    def _follow(self, book: Snapshot) -> None:
        """Forget what was decided by other records; what does not matter here is no change."""
        old = self._book
        if old is None or (old.routes, old.carriers, old.accounts) != (
            book.routes,
            book.carriers,
            book.accounts,
        ):
            self._tables = tables(book)
            self._plans.clear()
            self._decisions.clear()
        self._book = book

    def _first(self, book: Snapshot, plan: Plan, traits: Traits) -> _Decision | None:
        asked = self._asked(traits, plan)
        for table in plan.tables:
            for rule in table.candidates(asked.prefix, traits.country):
                if unmet(rule, asked) is None and (
                    candidates := usable(book, rule.route, traits.channel)
                ):
                    return _Decision(
                        rule,
                        tuple(candidates),
                        tuple(one.carrier_id for one in candidates),
                        groups.is_drawn(rule.route, candidates),
                        len(candidates) > 1 and groups.is_priced(rule.route),
                    )
        return None

    def _asked(self, traits: Traits, plan: Plan) -> Asked:
        at = traits.at or self.facts.now()
        return Asked(traits, plan.prefix(traits.recipient), at, plan.above)

    def _stand(self, decision: _Decision, traits: Traits, version: int) -> None:
        some = [decision.rule.route.groups[one.group] for one in decision.candidates]
        decision.standings = [
            groups.standing(group, self.facts.quality(one.carrier_id, traits.country))
            for group, one in zip(some, decision.candidates, strict=True)
        ]
        decision.version = version
        counts = [
            explanation.counts(group, one)
            for group, one in zip(some, decision.standings, strict=True)
        ]
        if counts != decision.counts:
            decision.counts = counts
            decision.orders.clear()

    def _costs(self, decision: _Decision, traits: Traits) -> tuple[int | None, ...]:
        network = traits.network or self.facts.network(traits.recipient)
        cost, recipient, channel = self.facts.cost, traits.recipient, traits.channel
        return tuple([cost(one, recipient, network, channel) for one in decision.carrier_ids])

    def _order(
        self, decision: _Decision, state: tuple[Any, Any], traits: Traits, plan: Plan
    ) -> Chosen:
        order = self._ordered(decision, *state)
        key = (*state, order.tried[0], order.preferred) if decision.is_drawn else state
        known = decision.orders.get(key)
        carriers = [decision.carrier_ids[n] for n in order.tried]
        if known:
            number = known.explanation
        else:
            number = self._explain(self._scene(decision, *state, order), traits, plan)
        route_id = decision.rule.route.id
        chosen = Chosen(route_id, carriers[0], tuple(carriers[1:]), number)
        if known is None:
            if len(decision.orders) >= ORDERS_MOST:
                decision.orders.clear()
            decision.orders[key] = chosen
        return chosen

    def _ordered(
        self, decision: _Decision, up: Sequence[bool], costs: Sequence[int | None]
    ) -> groups.Order:
        return groups.order(
            decision.rule.route,
            decision.candidates,
            decision.standings,
            up,
            costs,
            self.facts.chance,
        )

    def _scene(
        self,
        decision: _Decision,
        up: Sequence[bool],
        costs: Sequence[int | None],
        order: groups.Order,
    ) -> Scene:
        return Scene(
            decision.rule,
            decision.candidates,
            decision.standings,
            up,
            costs,
            order,
            decision.is_drawn,
        )

    def _explain(self, scene: Scene, traits: Traits, plan: Plan) -> int:
        assert self._book is not None
        content = explanation.content(self._book, plan, self._asked(traits, plan), scene)
        number = explanation.number_of(content)
        if number not in self._kept:
            self.unkept[number] = content
        return number
