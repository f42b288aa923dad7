"""Every kind of carrier there is: ours, and those of packages that are installed beside us."""

from importlib.metadata import EntryPoint, entry_points
from typing import Final

import structlog

from onesixty.carriers import loopback
from onesixty.carriers.aggregators import (
    bandwidth,
    infobip,
    plivo,
    sinch,
    telnyx,
    twilio,
    vonage_messages,
    vonage_sms,
)
from onesixty.carriers.clouds import aws_sms, aws_sns, azure
from onesixty.carriers.contract import CarrierSpec
from onesixty.carriers.declared import carrier as declared
from onesixty.carriers.smpp import carrier as smpp
from onesixty.carriers.whatsapp import carrier as whatsapp

SPECS: Final[dict[str, CarrierSpec]] = {
    spec.kind: spec
    for spec in (
        smpp.SPEC,
        loopback.SPEC,
        bandwidth.SPEC,
        infobip.SPEC,
        plivo.SPEC,
        sinch.SPEC,
        telnyx.SPEC,
        twilio.SPEC,
        vonage_messages.SPEC,
        vonage_sms.SPEC,
        aws_sms.SPEC,
        aws_sns.SPEC,
        azure.SPEC,
        whatsapp.SPEC,
        declared.SPEC,
    )
}


# A package names a `CarrierSpec` under this group; see the guide, "A carrier of your own".
GROUP: Final = "onesixty.carriers"
# What the code of others may raise while it is imported; one bad package must not stop the rest.
_BROKEN: Final = (
    ArithmeticError, AssertionError, AttributeError, ImportError, LookupError, NameError, OSError,
    RuntimeError, SyntaxError, TypeError, ValueError,
)  # fmt: skip
_log = structlog.get_logger()


def names() -> list[str]:
    """The kinds, for messages to people and for tests that take every one."""
    return list(SPECS)


def add_installed() -> list[str]:
    """Add the kinds of installed packages to SPECS, and give their names.

    One that cannot be loaded, is no CarrierSpec or takes a kind that there is already is left out,
    with a line in the log.
    """
    added = []
    for point in entry_points(group=GROUP):
        spec, why = _loaded(point)
        if spec is not None and SPECS.setdefault(spec.kind, spec) is not spec:
            why = f"the kind {spec.kind} is taken by {SPECS[spec.kind].title}"
        if why:
            _log.error("carrier_kind.left_out", entry_point=point.value, reason=why)
        elif spec is not None:
            added.append(spec.kind)
    return added


def _loaded(point: EntryPoint) -> tuple[CarrierSpec | None, str]:
    """What an entry point leads to, or why it is of no use."""
    try:
        spec = point.load()
    except _BROKEN as error:
        return None, f"it cannot be loaded: {error!r}"
    if not isinstance(spec, CarrierSpec):
        return None, f"it is no CarrierSpec but a {type(spec).__name__}"
    return spec, ""
