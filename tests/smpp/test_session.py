"""The session by itself: states, binds, refusals, versions and unbinding, on both sides."""

import struct

import pytest

from onesixty.smpp.codec import EncodeError, decode, encode
from onesixty.smpp.pdus import Command, Pdu, Tag, Tlv
from onesixty.smpp.session import effective_version
from onesixty.smpp.states import (
    BindRefused,
    BindRequested,
    Bound,
    Ended,
    Noted,
    PeerUnbound,
    Requested,
    Side,
    State,
)
from onesixty.smpp.statuses import Status

from .wiring import MODES, bare, bind_pdu, bound, deliver, heads, new, submit, written


@pytest.mark.parametrize(("command", "state"), MODES.items())
def test_a_bind_leads_both_sides_to_the_state_of_its_mode(command: int, state: State) -> None:
    """Each of the three binds, accepted, leaves ESME and SMSC in the same bound state."""
    esme, smsc = new(Side.ESME), new(Side.SMSC)
    esme.bind(bind_pdu(command), 0.0)
    (asked,) = smsc.receive(esme.take_outgoing(), 0.0)
    assert isinstance(asked, BindRequested)
    smsc.answer_bind(asked.pdu, 0, {"system_id": "smsc"}, [])
    (told,) = esme.receive(smsc.take_outgoing(), 0.0)
    assert isinstance(told, Bound)
    assert told.pdu.text("system_id") == "smsc"
    assert (esme.state, smsc.state) == (state, state)


def test_a_refused_bind_leaves_both_sides_open() -> None:
    """A refusal is written without a body, and the client may bind again on the same connection."""
    esme, smsc = new(Side.ESME), new(Side.SMSC)
    esme.bind(bind_pdu(), 0.0)
    smsc.receive(esme.take_outgoing(), 0.0)
    smsc.answer_bind(bind_pdu(), Status.RINVPASWD, {"system_id": "smsc"}, [])
    answer = smsc.take_outgoing()
    assert answer == bare(Command.BIND_TRANSCEIVER_RESP, Status.RINVPASWD, 1)
    (told,) = esme.receive(answer, 0.0)
    assert isinstance(told, BindRefused)
    assert (esme.state, smsc.state) == (State.OPEN, State.OPEN)
    assert isinstance(smsc.receive(encode(bind_pdu()), 0.0)[0], BindRequested)


def test_a_bind_that_the_smsc_does_not_know_counts_as_refused() -> None:
    """A generic_nack to our bind refuses it."""
    esme = new(Side.ESME)
    esme.bind(bind_pdu(), 0.0)
    (told,) = esme.receive(bare(Command.GENERIC_NACK, Status.RINVCMDID, 1), 0.0)
    assert isinstance(told, BindRefused)


@pytest.mark.parametrize(
    ("mode", "command"),
    [
        (None, Command.SUBMIT_SM),
        (None, Command.UNBIND),
        (Command.BIND_RECEIVER, Command.SUBMIT_SM),
        (Command.BIND_RECEIVER, Command.DATA_SM),
        (Command.BIND_TRANSCEIVER, Command.DELIVER_SM),
        (Command.BIND_TRANSMITTER, Command.DELIVER_SM),
    ],
)
def test_a_request_that_needs_another_state_is_refused(mode: int | None, command: int) -> None:
    """The server answers the matching response with ESME_RINVBNDSTS and the session stays."""
    smsc = bound(Side.SMSC, mode) if mode else new(Side.SMSC)
    state = smsc.state
    events = smsc.receive(bare(command, sequence=77), 0.0)
    assert [type(event) for event in events] == [Noted, Noted][: len(events)]
    assert heads(smsc) == [(command | 0x80000000, Status.RINVBNDSTS, 77)]
    assert smsc.state is state


def test_a_client_bound_to_transmit_refuses_deliveries() -> None:
    """deliver_sm to a transmitter is answered with ESME_RINVBNDSTS."""
    esme = bound(Side.ESME, Command.BIND_TRANSMITTER)
    esme.receive(encode(deliver(5)), 0.0)
    assert heads(esme) == [(Command.DELIVER_SM_RESP, Status.RINVBNDSTS, 5)]


@pytest.mark.parametrize("command", MODES)
def test_a_second_bind_is_refused_and_the_first_stays(command: int) -> None:
    """ESME_RALYBND, both while the first bind is being decided and when it is accepted."""
    smsc = new(Side.SMSC)
    smsc.receive(encode(bind_pdu()), 0.0)
    again = bind_pdu(command)
    again.sequence = 2
    smsc.receive(encode(again), 0.0)
    assert heads(smsc) == [(command | 0x80000000, Status.RALYBND, 2)]
    smsc.answer_bind(bind_pdu(), 0, {}, [])
    smsc.take_outgoing()
    smsc.receive(encode(again), 0.0)
    assert heads(smsc) == [(command | 0x80000000, Status.RALYBND, 2)]
    assert smsc.state is State.BOUND_TRX


@pytest.mark.parametrize("command", [0x111, 0x112, 0x10200, 0x7FFFFFFF, 0])
def test_an_unknown_command_is_nacked(command: int) -> None:
    """Broadcast, vendor and nonsense ids are answered with generic_nack ESME_RINVCMDID."""
    smsc = bound(Side.SMSC)
    smsc.receive(bare(command, sequence=9), 0.0)
    assert heads(smsc) == [(Command.GENERIC_NACK, Status.RINVCMDID, 9)]
    assert smsc.bound


@pytest.mark.parametrize(
    "command", [0x80010200, 0x80000111, Command.SUBMIT_SM_RESP, Command.ENQUIRE_LINK_RESP]
)
def test_a_response_is_never_answered(command: int) -> None:
    """A response to nothing, known or not, is ignored."""
    for side in Side:
        session = bound(side)
        session.receive(bare(command, sequence=9), 0.0)
        assert session.take_outgoing() == b""
        assert session.bound


def test_alert_notification_is_never_answered() -> None:
    """It has no response; neither side answers it, where it is allowed or where it is not."""
    alert = encode(Pdu(Command.ALERT_NOTIFICATION, sequence=3))
    for side in Side:
        session = bound(side)
        session.receive(alert, 0.0)
        assert session.take_outgoing() == b""


def test_outbind_leads_to_outbound_where_a_bind_is_still_allowed() -> None:
    """After outbind the client may bind to receive, not to transmit only."""
    esme = new(Side.ESME)
    esme.receive(encode(Pdu(Command.OUTBIND, sequence=1)), 0.0)
    assert esme.state is State.OUTBOUND
    assert esme.may_send(Command.BIND_RECEIVER)
    assert not esme.may_send(Command.BIND_TRANSMITTER)


def test_an_undecodable_body_gets_the_error_of_its_field() -> None:
    """The server names the bad field, keeps the session and takes the next PDU of the same read."""
    smsc = bound(Side.SMSC)
    body = b"\0\1\1" + b"4" * 30 + b"\0" * 20
    broken = struct.pack(">IIII", 16 + len(body), Command.SUBMIT_SM, 0, 7) + body
    events = smsc.receive(broken + encode(submit(8)), 0.0)
    assert [type(event) for event in events] == [Noted, Requested]
    assert heads(smsc) == [(Command.SUBMIT_SM_RESP, Status.RINVSRCADR, 7)]
    assert smsc.owed == 1


def test_an_undecodable_bind_is_refused_and_can_be_repeated() -> None:
    """An overlong system_id is answered with ESME_RINVSYSID; a good bind then works."""
    smsc = new(Side.SMSC)
    body = b"x" * 40 + b"\0" * 8
    smsc.receive(struct.pack(">IIII", 16 + len(body), 9, 0, 1) + body, 0.0)
    assert heads(smsc) == [(Command.BIND_TRANSCEIVER_RESP, Status.RINVSYSID, 1)]
    assert isinstance(smsc.receive(encode(bind_pdu()), 0.0)[0], BindRequested)


@pytest.mark.parametrize(
    "junk", [b"\0\0\0\x0f" + b"\0" * 12, b"\x7f\xff\xff\xff\0\0\0\4\0\0\0\0\0\0\0\5"]
)
def test_an_impossible_length_is_nacked_and_ends_the_session(junk: bytes) -> None:
    """PDUs before it count, then generic_nack ESME_RINVCMDLEN and the end; later bytes are void."""
    smsc = bound(Side.SMSC)
    events = smsc.receive(encode(submit(1)) + junk, 0.0)
    assert [type(event) for event in events] == [Requested, Ended]
    (nack,) = written(smsc)
    assert (nack.command, nack.status) == (Command.GENERIC_NACK, Status.RINVCMDLEN)
    assert smsc.closed
    assert smsc.receive(encode(submit(2)), 0.0) == []


@pytest.mark.parametrize("hello", [b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01"])
def test_another_protocol_ends_the_session_without_an_answer(hello: bytes) -> None:
    """HTTP and TLS on the plain port are named in the reason and not answered."""
    smsc = new(Side.SMSC)
    (event,) = smsc.receive(hello, 0.0)
    assert isinstance(event, Ended)
    assert "not SMPP" in event.reason
    assert smsc.take_outgoing() == b""


def test_the_server_takes_long_pdus_only_after_the_bind() -> None:
    """The cap is 1024 octets before a bind and 70 000 after."""
    long = submit(2)
    long.fields = {}
    long.tlvs = [Tlv(Tag.MESSAGE_PAYLOAD, b"x" * 60_000)]
    (end,) = new(Side.SMSC).receive(encode(long), 0.0)
    assert isinstance(end, Ended)
    (taken,) = bound(Side.SMSC).receive(encode(long), 0.0)
    assert isinstance(taken, Requested)


@pytest.mark.parametrize(
    ("offered", "supported", "effective"),
    [
        (0x00, 0x50, 0x00),
        (0x33, 0x50, 0x33),
        (0x34, 0x50, 0x34),
        (0x35, 0x50, 0x34),
        (0x4F, 0x50, 0x34),
        (0x50, 0x50, 0x50),
        (0xFF, 0x50, 0x50),
        (0x50, 0x34, 0x34),
        (0x22, 0x34, 0x22),
    ],
)
def test_the_lower_version_holds(offered: int, supported: int, effective: int) -> None:
    """Versions between 3.4 and 5.0 count as 3.4, later ones as 5.0, older ones as they are."""
    assert effective_version(offered, supported) == effective


def test_an_old_client_gets_no_tlvs() -> None:
    """To interface_version 0x33 neither responses nor requests carry TLVs; to 0x34 they do."""
    tlv = Tlv(Tag.RECEIPTED_MESSAGE_ID, b"1\0")
    for version, expected in ((0x33, []), (0x34, [tlv])):
        smsc = bound(Side.SMSC, version=version)
        smsc.request(Pdu(Command.DELIVER_SM, tlvs=[tlv]), "token", 0.0)
        smsc.receive(encode(submit(1)), 0.0)
        smsc.answer(submit(1), 0, {"message_id": "1"}, [tlv])
        assert [pdu.tlvs for pdu in written(smsc)] == [expected, expected]


def test_the_client_takes_the_version_that_the_server_offers() -> None:
    """sc_interface_version lowers the version of the session, its absence means 3.4."""
    for tlvs, version in (([Tlv(Tag.SC_INTERFACE_VERSION, b"\x33")], 0x33), ([], 0x34)):
        esme = new(Side.ESME)
        esme.bind(bind_pdu(), 0.0)
        answer = Pdu(Command.BIND_TRANSCEIVER_RESP, sequence=1, tlvs=tlvs)
        esme.receive(encode(answer), 0.0)
        assert esme.version == version


def test_unbind_ends_both_sides() -> None:
    """The one who asks ends with the answer, the other after its grace or when the peer closes."""
    for asker, other in ((Side.ESME, Side.SMSC), (Side.SMSC, Side.ESME)):
        one, two = bound(asker), bound(other)
        one.unbind(1.0)
        (event,) = two.receive(one.take_outgoing(), 1.0)
        assert isinstance(event, PeerUnbound)
        assert two.state is State.UNBOUND
        (event,) = one.receive(two.take_outgoing(), 1.0)
        assert isinstance(event, Ended)
        assert two.tick(2.9) == []
        assert isinstance(two.tick(3.0)[0], Ended)


def test_unbind_without_an_answer_ends_in_time() -> None:
    """After unbind_seconds the session ends by itself."""
    esme = bound(Side.ESME)
    esme.unbind(1.0)
    assert esme.tick(5.9) == []
    assert isinstance(esme.tick(6.0)[0], Ended)


def test_what_is_owed_is_answered_before_unbind() -> None:
    """unbind_resp waits for the answers to the peer's submits; new ones are refused meanwhile."""
    smsc = bound(Side.SMSC)
    smsc.receive(encode(submit(1)) + encode(submit(2)) + bare(Command.UNBIND, 0, 3), 0.0)
    smsc.receive(encode(submit(4)), 0.0)
    assert heads(smsc) == [(Command.SUBMIT_SM_RESP, Status.RINVBNDSTS, 4)]
    smsc.answer(submit(2), 0, {"message_id": "2"})
    smsc.answer(submit(1), 0, {"message_id": "1"})
    assert [head[::2] for head in heads(smsc)] == [
        (Command.SUBMIT_SM_RESP, 2),
        (Command.SUBMIT_SM_RESP, 1),
        (Command.UNBIND_RESP, 3),
    ]
    smsc.answer(submit(1), 0, {"message_id": "1"})
    assert heads(smsc) == []


def test_unbind_is_answered_although_something_stays_owed() -> None:
    """After half of unbind_seconds the peer gets its unbind_resp, after the grace it is over."""
    smsc = bound(Side.SMSC)
    smsc.receive(encode(submit(1)) + bare(Command.UNBIND, 0, 3), 0.0)
    assert smsc.tick(2.4) == []
    assert heads(smsc) == []
    assert smsc.tick(2.5) == []
    assert heads(smsc) == [(Command.UNBIND_RESP, 0, 3)]
    assert isinstance(smsc.tick(4.5)[0], Ended)


def test_unbinds_that_cross_end_both_sides() -> None:
    """Both ask at once: both answer, both end."""
    esme, smsc = bound(Side.ESME), bound(Side.SMSC)
    esme.unbind(0.0)
    smsc.unbind(0.0)
    from_esme, from_smsc = esme.take_outgoing(), smsc.take_outgoing()
    esme.receive(from_smsc, 0.0)
    smsc.receive(from_esme, 0.0)
    from_esme, from_smsc = esme.take_outgoing(), smsc.take_outgoing()
    assert isinstance(esme.receive(from_smsc, 0.0)[0], Ended)
    assert isinstance(smsc.receive(from_esme, 0.0)[0], Ended)


def test_what_3_3_cannot_carry() -> None:
    """Towards SMPP 3.3 TLVs are left out, but a message that lives in one has no encoding."""
    esme = new(Side.ESME)
    esme.version = 0x33
    plain = Pdu(Command.SUBMIT_SM, fields={}, tlvs=[Tlv(Tag.USER_MESSAGE_REFERENCE, b"\0\1")])
    assert decode(esme.prepare(plain)).tlvs == []
    for tag in (Tag.MESSAGE_PAYLOAD, Tag.SAR_MSG_REF_NUM):
        with pytest.raises(EncodeError):
            esme.prepare(Pdu(Command.SUBMIT_SM, fields={}, tlvs=[Tlv(tag, b"\0\1")]))
