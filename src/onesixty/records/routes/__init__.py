"""Routes: which carrier a message goes to, and why.

`match.py` has the conditions, `groups.py` the strategies, `plan.py` finds the route, `router.py`
chooses, `explanation.py` tells why. All of these are pure; `rows.py` and what is named there are
the records.
"""

from onesixty.records.routes.facts import Facts, Quality
from onesixty.records.routes.groups import CARRIERS_MOST, EXPLORE_MOST, GROUPS_MOST, STRATEGIES
from onesixty.records.routes.match import MATCHES, VALUES_MOST, Traits, check_match, network
from onesixty.records.routes.router import Chosen, Router
from onesixty.records.routes.rows import (
    POSITION,
    POSITION_MOST,
    create,
    every,
    find,
    listing,
    remove,
    update,
    using,
)

__all__ = [
    "CARRIERS_MOST",
    "EXPLORE_MOST",
    "GROUPS_MOST",
    "MATCHES",
    "POSITION",
    "POSITION_MOST",
    "STRATEGIES",
    "VALUES_MOST",
    "Chosen",
    "Facts",
    "Quality",
    "Router",
    "Traits",
    "check_match",
    "create",
    "every",
    "find",
    "listing",
    "network",
    "remove",
    "update",
    "using",
]
