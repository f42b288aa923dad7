"""Every kind of carrier there is."""

from typing import Final

from onesixty.carriers import loopback
from onesixty.carriers.aggregators import (
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


def names() -> list[str]:
    """The kinds, for messages to people and for tests that take every one."""
    return list(SPECS)
