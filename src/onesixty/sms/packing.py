"""Septets packed eight to seven octets, low bits first (3GPP TS 23.038 6.1.2.1).

SMPP carries septets unpacked; this form is for the few centres that want them as on the radio side.
"""

_CARRIAGE_RETURN = 0x0D
_DROPPED_AT_THE_END = b"\r\x00"


def fill_bits(header_octets: int) -> int:
    """Bits, 0 to 6, between a header of that many octets (with its length) and the first septet."""
    return -header_octets * 8 % 7


def pack(septets: bytes, fill: int = 0) -> bytes:
    """Packed octets of unpacked septets, beginning with `fill` zero bits.

    Seven bits left over at the end would read as "@", so they are filled with a carriage return.
    """
    if (len(septets) * 7 + fill) % 8 == 1:
        septets += bytes([_CARRIAGE_RETURN])
    bits = "".join([f"{septet:07b}" for septet in reversed(septets)])
    length = (len(septets) * 7 + fill + 7) // 8
    return (int(bits or "0", 2) << fill).to_bytes(length, "little")


def unpack(octets: bytes, fill: int = 0, count: int | None = None) -> bytes:
    """Unpacked septets of packed octets; `count` is their true number where it is known.

    Without it, one carriage return or "@" that ends with the last octet is taken for padding.
    """
    available = max(len(octets) * 8 - fill, 0) // 7
    value = int.from_bytes(octets, "little") >> fill
    septets = bytes([value >> shift & 0x7F for shift in range(0, available * 7, 7)])
    if count is not None:
        return septets[:count]
    ends_with_octet = (len(septets) * 7 + fill) % 8 == 0
    if ends_with_octet and septets and septets[-1] in _DROPPED_AT_THE_END:
        return septets[:-1]
    return septets
