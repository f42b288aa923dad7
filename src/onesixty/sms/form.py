"""The form of a message that is more than plain text: a header, binary data, a class, a protocol.

Most messages have none. It is decided when a message is accepted, kept beside it as JSON, and goes
out as it is; of an inbound message it says what came beside the text.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from onesixty.sms import segments
from onesixty.sms import udh as headers
from onesixty.sms.alphabet import Encoding

SILENT: Final = 0x40  # protocol identifier of short message type 0: acknowledged, never shown
FLASH: Final = 0  # message class: shown at once, not stored


@dataclass(frozen=True, slots=True)
class Form:
    """How a message goes out that is not plain text; one without a form is plain text."""

    udh: bytes = b""  # user data header as it goes, with its length octet (UDHL); empty: none
    data: bytes | None = (
        None  # user data after the header; None: the body is text, encoded as usual
    )
    data_coding: int | None = None  # as given by an SMPP client; None: follows from the rest
    message_class: int | None = None  # 0 flash, 1 device, 2 SIM, 3 terminal
    protocol_id: int = 0  # 64: silent (short message type 0)

    missing_parts: tuple[int, ...] = ()  # of an inbound message: those that never came

    def plan(
        self,
        body: str,
        encoding: Encoding | None = None,
        *,
        concatenation: segments.Concatenation = segments.Concatenation.UDH8,
        max_segments: int = segments.MAX_PARTS,
    ) -> segments.Plan:
        """How the message goes out: its data, or `body` where it has none.

        `encoding` is that of the body, or what the data is counted in; None lets the text decide,
        and takes data for binary. Raises SegmentationError.
        """
        if self.data is not None:
            return segments.plan_octets(
                self.data,
                encoding=encoding or Encoding.BINARY,
                header=self.udh,
                concatenation=concatenation,
                max_segments=max_segments,
            )
        return segments.plan(
            body,
            encoding=_TEXT[encoding] if encoding else None,
            header=self.udh,
            concatenation=concatenation,
            max_segments=max_segments,
        )

    def to_json(self) -> dict[str, Any]:
        """What differs from plain text, as the database keeps it; octets as hex digits."""
        kept: dict[str, Any] = {}
        if self.udh:
            kept["udh"] = self.udh.hex()
        if self.data is not None:
            kept["data"] = self.data.hex()
        if self.data_coding is not None:
            kept["data_coding"] = self.data_coding
        if self.message_class is not None:
            kept["message_class"] = self.message_class
        if self.protocol_id:
            kept["protocol_id"] = self.protocol_id
        if self.missing_parts:
            kept["missing_parts"] = self.missing_parts
        return kept

    @property
    def ports(self) -> headers.Ports | None:
        """The application ports that the header names."""
        parsed = headers.parse(self.udh + b"\x00") if self.udh else None
        return parsed[0].ports if parsed else None


def from_json(kept: Mapping[str, Any]) -> Form:
    """The form that `to_json` wrote."""
    data = kept.get("data")
    return Form(
        udh=bytes.fromhex(kept.get("udh", "")),
        data=None if data is None else bytes.fromhex(data),
        data_coding=kept.get("data_coding"),
        message_class=kept.get("message_class"),
        protocol_id=kept.get("protocol_id", 0),
        missing_parts=tuple(kept.get("missing_parts", ())),
    )


_TEXT: Final[dict[Encoding, segments.TextEncoding]] = {
    Encoding.GSM7: Encoding.GSM7,
    Encoding.UCS2: Encoding.UCS2,
    Encoding.LATIN1: Encoding.LATIN1,
}


def for_ports(destination: int, source: int) -> bytes:
    """A user data header that addresses 16-bit application ports, each 0 to 65535."""
    return headers.build(headers.ports(destination, source))
