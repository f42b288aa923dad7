"""Kinds of carriers that other packages bring, and the one that the guide builds."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import structlog

from conformance.behaviours import SOMEBODY
from conformance.bench import Bench, submission
from conformance.peers import LoopbackPeer
from onesixty.carriers import registry
from onesixty.carriers.contract import (
    Call,
    CallRefusedError,
    CarrierConfig,
    CheckedCarrier,
    ErrorClass,
    OutcomeKind,
    ReceiptState,
)
from onesixty.kit.chance import Chance
from onesixty.kit.clock import SystemClock
from onesixty.simulator.fault_words import parse_options
from onesixty.simulator.http.far_side import CallbackRequest
from onesixty.simulator.http.stage import Stage, spoil
from onesixty.simulator.http.stage.faults import HttpFaults
from onesixty.simulator.numbers import State
from onesixty.sms.reassembly import assemble
from simulator.http.plain import PlainFarSide

GUIDE = Path(__file__).parents[2] / "docs" / "guide" / "carriers" / "writing-one.md"
Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Installs a package of one module, as pip leaves it; forgotten after the test."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(registry, "SPECS", dict(registry.SPECS))

    def one(name: str, code: str, attribute: str = "SPEC") -> None:
        (tmp_path / f"{name}.py").write_text(code)
        info = tmp_path / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(
            f"[onesixty.carriers]\n{name} = {name}:{attribute}\n"
        )

    return one


def guide_code() -> str:
    """All Python of the page, one block after the other."""
    return "\n".join(re.findall(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL))


async def test_the_carrier_of_the_guide(install: Install, chance: Chance) -> None:
    """What the page shows is found once installed, sends, is refused, and reads what it is told."""
    install("acme", guide_code())
    assert registry.add_installed() == ["acme"]
    spec, clock = registry.SPECS["acme"], SystemClock()
    stage = Stage(PlainFarSide(clock), clock=clock, chance=chance)
    await stage.start()
    settings = {field.name: field.default for field in spec.fields} | stage.settings()
    config = CarrierConfig(7, "acme", settings, clock, chance, "http://127.0.0.1:1/x")
    bench = Bench(spec.build(config), LoopbackPeer(), clock)
    await bench.up()
    assert isinstance(bench.carrier, CheckedCarrier)
    assert await bench.carrier.check() is None

    await bench.send(submission(SOMEBODY, "zażółć"))
    stage.faults = parse_options(HttpFaults, ["refuse=1"])
    await bench.send(submission(SOMEBODY))
    stage.faults = parse_options(HttpFaults, ["bad_gateway=1"])
    await bench.send(submission(SOMEBODY))
    outcomes = [(one.kind, one.error_class) for one in bench.final()]
    assert outcomes == [
        (OutcomeKind.ACCEPTED, None),
        (OutcomeKind.REFUSED, ErrorClass.RECIPIENT),
        (OutcomeKind.UNKNOWN, ErrorClass.CARRIER),
    ]
    assert [one.text for one in stage.submitted] == ["zażółć", "hello"]

    assert spec.calls is not None
    reader, taken = spec.calls(config), stage.submitted[0]
    told = stage.far_side.receipt(taken, State.DELIVERED, "000", "")
    assert told is not None
    assert told.url == "http://127.0.0.1:1/x/status"
    (receipt,) = (await reader.read(called(told, "status"))).receipts
    assert (receipt.state, receipt.match_keys) == (ReceiptState.DELIVERED, (taken.id,))
    assert receipt.message_id == bench.final()[0].submission.message_id
    (reply,) = stage.far_side.inbound(SOMEBODY, "ACME", "tak 🦆", "http://x")
    (inbound,) = (await reader.read(called(reply, "inbound"))).inbounds
    assert (assemble([inbound.fragment]).text, inbound.sender) == ("tak 🦆", SOMEBODY)
    forged = spoil.badly_signed(told)
    assert forged is not None
    with pytest.raises(CallRefusedError):
        await reader.read(called(forged, "status"))
    await bench.carrier.stop(0.0)
    await stage.stop()


def called(told: CallbackRequest, path: str) -> Call:
    """A callback as the door gives it."""
    return Call(told.method, told.url, path, dict(told.headers), told.body, SystemClock().now())


def test_bad_packages_are_left_out(install: Install) -> None:
    """Broken code, something else, and a kind that is taken are each told of, and harm nobody."""
    install("breaks", "import nothing_of_that_name")
    install("fails", "1 / 0")
    install("lacks", "OTHER = 1")
    install("differs", "SPEC = 'smpp'")
    install("takes", guide_code().replace('kind="acme"', 'kind="smpp"'))
    install("good", guide_code().replace('kind="acme"', 'kind="good"'))
    before = dict(registry.SPECS)
    with structlog.testing.capture_logs() as lines:
        assert registry.add_installed() == ["good"]
    reasons = {line["entry_point"].partition(":")[0]: line["reason"] for line in lines}
    assert reasons.keys() == {"breaks", "fails", "lacks", "differs", "takes"}
    assert "it is no CarrierSpec but a str" in reasons["differs"]
    assert "the kind smpp is taken" in reasons["takes"]
    assert "nothing_of_that_name" in reasons["breaks"]
    assert {**before, "good": registry.SPECS["good"]} == registry.SPECS
