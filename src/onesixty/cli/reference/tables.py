"""The pages that are tables: settings, problems, events, carriers."""

from onesixty import settings
from onesixty.carriers import registry
from onesixty.carriers.contract import CarrierSpec, SettingField
from onesixty.cli.reference.markdown import code, page, table
from onesixty.kit.problems import KINDS
from onesixty.records import events


def settings_page() -> str:
    """Every setting."""
    rows = [(code(name), kind, code(default), doc) for name, kind, default, doc in settings.table()]
    return page(
        "Settings",
        "The command line counts before the environment, and that before the TOML file of"
        " `--config`, where a name is in lower case and without `ONESIXTY_`.",
        table(("Setting", "Type", "Default", "Meaning"), rows),
        "`onesixty doctor` says which are in force.",
    )


def problems_page() -> str:
    """Every problem that a door can answer with."""
    rows = [
        (
            code(kind.code),
            str(kind.http_status),
            kind.title,
            kind.advice,
            "" if kind.twilio_code is None else str(kind.twilio_code),
            "" if kind.smpp_status is None else f"`0x{kind.smpp_status:02X}`",
        )
        for kind in sorted(KINDS.values(), key=lambda kind: (kind.http_status, kind.code))
    ]
    return page(
        "Problems",
        "Errors are `application/problem+json` documents (RFC 9457). Decide by `code`, which never"
        " changes; `type` is a page of the server that says what stands here.",
        table(("Code", "HTTP", "What is wrong", "What to do", "Twilio", "SMPP"), rows),
    )


def events_page() -> str:
    """Every type of event."""
    rows = [(code(name), events.ABOUT[name]) for name in events.NUMBERS]
    return page(
        "Events",
        "An event is written with the change that it tells of. It comes by webhook, by"
        " `GET /v1/events`, and by the stream at `GET /v1/events/stream`, always the same:"
        " `{id, type, account, created_at, sequence, data}`. `sequence` orders the events of one"
        " message; `data` of a `message.*` event is the message with the status that it had then."
        " Webhooks come at least once: tell repeats by `id`.",
        table(("Type", "When"), rows),
        "An endpoint names the types that it wants; `message.*` takes all of messages, `*` all.",
    )


def carriers_page() -> str:
    """Every kind of carrier with its settings."""
    return page(
        "Carriers",
        'A carrier is made with `POST /v1/carriers` and `{"name", "kind", "settings"}`. The kinds:',
        *(_carrier(spec) for spec in registry.SPECS.values()),
    )


def _carrier(spec: CarrierSpec) -> str:
    back = f"It brings back {' and '.join(spec.receives)}." if spec.receives else ""
    rows = [
        (code(one.name), _kind(one), "required" if one.required else code(_default(one)), one.title)
        for one in spec.fields
    ]
    parts = [f"## {spec.kind}", f"{spec.title}. {back}".strip()]
    return "\n\n".join([*parts, table(("Setting", "Type", "Default", "Meaning"), rows)]).strip()


def _kind(one: SettingField) -> str:
    if one.kind == "map":
        return f"map to {', '.join(map(code, one.choices))}" if one.choices else "map to text"
    if one.choices:
        return ", ".join(map(code, one.choices))
    if one.kind in ("text", "secret"):
        return f"{one.kind}, at most {one.at_most:g} characters" if one.at_most else one.kind
    if one.at_least is not None and one.at_most is not None:
        return f"{one.kind}, {one.at_least:g} to {one.at_most:g}"
    return one.kind


def _default(one: SettingField) -> str:
    if one.default is None:
        return ""
    return str(one.default).lower() if isinstance(one.default, bool) else str(one.default)
