"""A carrier as the API shows it: secrets masked, live state, what was learnt."""

from collections.abc import Mapping
from typing import Any, Final

from onesixty.carriers import registry
from onesixty.entrypoints.rest.context import Context
from onesixty.kit import ids
from onesixty.messages.receive import recent
from onesixty.messages.render import timestamp
from onesixty.records import carriers

MASK: Final = "****"
_NO_PUBLIC_URL: Final = (
    "nobody reaches this server from outside: start it with ONESIXTY_PUBLIC_URL, such as"
    " https://sms.example.com"
)


def shown(row: Any, context: Context) -> dict[str, Any]:
    """A row of carriers."""
    secrets = carriers.secrets_of(row["secrets"], context.sealer)
    settings = row["settings"] | {name: value and MASK for name, value in secrets.items()}
    return {
        "id": ids.to_text("car", row["public_id"]),
        "object": "carrier",
        "name": row["name"],
        "kind": row["kind"],
        "settings": {name: settings[name] for name in sorted(settings)},
        "enabled": row["enabled"],
        "paused": row["paused"],
        "rate_per_second": row["rate_per_second"],
        "burst": row["burst"],
        "callbacks": callbacks_of(row, context),
        "state": state_of(row, context),
        "created_at": timestamp(row["created_at"]),
        "updated_at": timestamp(row["updated_at"]),
    }


def callbacks_of(row: Any, context: Context) -> dict[str, Any]:
    """The URLs at which the far side of a carrier reaches us, by their path."""
    spec = registry.SPECS.get(row["kind"])
    if spec is None or spec.calls is None:
        return {}
    base = context.configs.callback_url(row["public_id"])
    return {
        path: {
            "url": base and f"{base}/{path}".rstrip("/"),
            "purpose": purpose,
            "hint": None if base else _NO_PUBLIC_URL,
        }
        for path, purpose in spec.callbacks.items()
    }


def refusal_of(refusal: carriers.Refusal | None) -> dict[str, Any] | None:
    """The last call of a far side that was refused."""
    if refusal is None:
        return None
    return {
        "at": timestamp(refusal.at),
        "path": refusal.path,
        "status": refusal.status,
        "reason": refusal.reason,
    }


def state_of(row: Any, context: Context) -> dict[str, Any]:
    """Its live state, over all processes."""
    if not row["enabled"]:
        return {"status": "disabled"}
    state = context.carrier_states().get(row["id"]) or {"status": "starting"}
    if queue := state.get("queue"):
        rate = state["observed_rate_per_second"]
        seconds = round(queue["due"] / rate, 1) if rate else None
        state["queue"] = queue | {"seconds_to_empty": seconds if queue["due"] else 0.0}
    return state


def learned_of(learned: Mapping[str, Any] | None, context: Context) -> dict[str, Any] | None:
    """What is kept of the receipts of a carrier, put so that people can use it."""
    if learned is None:
        return None
    total, unmatched = recent(learned, context.clock.now())
    form, offset = _most(learned["dates"]), _most(learned["offsets"])
    return {
        "id_form": learned.get("id_form"),
        "id_forms": learned["forms"],
        "dates": form
        and {"form": form, "utc_offset_minutes": None if offset is None else int(offset)},
        "words": learned["words"],
        "codes": learned["codes"],
        "last_hour": {"total": total, "unmatched": unmatched},
    }


def _most(counts: Mapping[str, int]) -> str | None:
    return max(counts, key=lambda one: counts[one], default=None)
