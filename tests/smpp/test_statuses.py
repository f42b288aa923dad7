"""The status table: names, classes on their occasions, overrides, codes that are in no table."""

import pytest

from onesixty.smpp.statuses import (
    STATUSES,
    Occasion,
    Status,
    StatusClass,
    StatusRule,
    class_of,
    name_of,
    remark_on,
    rule_for,
)


def test_every_code_has_a_row() -> None:
    """The table and the enumeration name the same codes, misprinted old numbers aside."""
    assert set(STATUSES) == set(Status) | {0x4A, 0x4B, 0x4D, 0x4E}


@pytest.mark.parametrize(
    ("code", "name"),
    [
        (0x00, "ESME_ROK"),
        (0x0A, "ESME_RINVSRCADR"),
        (0x14, "ESME_RMSGQFUL"),
        (0x58, "ESME_RTHROTTLED"),
        (0x64, "ESME_RX_T_APPN"),
        (0xC0, "ESME_RINVOPTPARSTREAM"),
        (0xFE, "ESME_RDELIVERYFAILURE"),
        (0x104, "ESME_RINVDCS"),
        (0x110, "ESME_RINVBCAST_REP"),
        (0x4A, "ESME_RINVDSTTON"),
        (0x09, "0x00000009"),
        (0x401, "0x00000401"),
    ],
)
def test_names(code: int, name: str) -> None:
    """Codes have their 3.4 names, unknown ones their digits."""
    assert name_of(code) == name


def test_names_of_both_versions() -> None:
    """Where 5.0 renamed a code both names are known."""
    assert STATUSES[0xC0].names == ("ESME_RINVOPTPARSTREAM", "ESME_RINVTLVSTREAM")
    assert Status["RINVTLVLEN"] is Status["RINVPARLEN"]


@pytest.mark.parametrize(
    ("code", "request_class", "bind_class"),
    [
        (0x00, StatusClass.OK, StatusClass.OK),
        (0x01, StatusClass.PERMANENT, StatusClass.CONFIG),
        (0x02, StatusClass.PERMANENT, StatusClass.CONFIG),
        (0x03, StatusClass.CONFIG, StatusClass.CONFIG),
        (0x04, StatusClass.SESSION, StatusClass.TRANSIENT),
        (0x05, StatusClass.CONFIG, StatusClass.TRANSIENT),
        (0x08, StatusClass.TRANSIENT, StatusClass.TRANSIENT),
        (0x0B, StatusClass.PERMANENT, StatusClass.CONFIG),
        (0x0D, StatusClass.CONFIG, StatusClass.TRANSIENT),
        (0x0E, StatusClass.CONFIG, StatusClass.CONFIG),
        (0x14, StatusClass.THROTTLE, StatusClass.TRANSIENT),
        (0x45, StatusClass.TRANSIENT, StatusClass.TRANSIENT),
        (0x58, StatusClass.THROTTLE, StatusClass.TRANSIENT),
        (0x64, StatusClass.TRANSIENT, StatusClass.TRANSIENT),
        (0x66, StatusClass.PERMANENT, StatusClass.CONFIG),
        (0xFF, StatusClass.TRANSIENT, StatusClass.TRANSIENT),
        (0x102, StatusClass.TRANSIENT, StatusClass.TRANSIENT),
        (0x4FF, StatusClass.PERMANENT, StatusClass.PERMANENT),
        (0x5A, StatusClass.CONFIG, StatusClass.CONFIG),
    ],
)
def test_classes(code: int, request_class: StatusClass, bind_class: StatusClass) -> None:
    """A code means one thing for a message and may mean another for a bind."""
    assert class_of(code) is request_class
    assert class_of(code, Occasion.BIND) is bind_class


def test_a_bad_length_in_a_nack_ends_the_session() -> None:
    """RINVCMDLEN by generic_nack says that the peer has lost the stream."""
    assert class_of(0x02, Occasion.NACK) is StatusClass.SESSION
    assert class_of(0x03, Occasion.NACK) is StatusClass.CONFIG


@pytest.mark.parametrize(("code", "retries"), [(0x08, 3), (0x45, 2), (0xFF, 1), (0x102, None)])
def test_retries(code: int, retries: int | None) -> None:
    """Ambiguous and abused codes are retried only so often."""
    assert rule_for(code).max_retries == retries


def test_a_delivery_failure_may_be_temporary() -> None:
    """RDELIVERYFAILURE is permanent unless delivery_failure_reason says temporary network error."""
    assert rule_for(0xFE).status_class is StatusClass.PERMANENT
    assert rule_for(0xFE, delivery_failure_reason=2).status_class is StatusClass.PERMANENT
    assert rule_for(0xFE, delivery_failure_reason=3).status_class is StatusClass.TRANSIENT


def test_a_connection_may_override_any_code() -> None:
    """What the operator says of a code holds on every occasion, for vendor codes too."""
    no_credit = StatusRule(StatusClass.CONFIG)
    overrides = {0x14: no_credit, 0x0D: no_credit, 0x401: StatusRule(StatusClass.TRANSIENT, 5)}
    assert rule_for(0x14, overrides=overrides) is no_credit
    assert class_of(0x0D, Occasion.BIND, overrides) is StatusClass.CONFIG
    assert rule_for(0x401, overrides=overrides).max_retries == 5
    assert class_of(0x58, overrides=overrides) is StatusClass.THROTTLE


def test_remarks() -> None:
    """The operator gets a hint where the name does not say enough."""
    assert "no credit" in remark_on(0x45)
    assert remark_on(0x0B) == ""
    assert remark_on(0x433) == "vendor code"
    assert remark_on(0x5A) == "reserved code"
