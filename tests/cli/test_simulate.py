"""`onesixty simulate`: it listens, plays its part, and ends with what it counted."""

import json
import re
import socket
import subprocess
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from onesixty.smpp.codec import encode
from onesixty.smpp.pdus import Command, Pdu

from .programs import ENVIRONMENT, PROGRAM, onesixty


def test_it_serves_until_it_is_stopped() -> None:
    """The simulator answers a bind on its port; SIGTERM ends it with 0 and its counts."""
    simulator = subprocess.Popen(
        [*PROGRAM, "simulate", "smsc", "--port", "0", "--account", "me:secret"],
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert simulator.stdout
    found = re.search(r"port (\d+)", simulator.stdout.readline())
    assert found
    bind = Pdu(
        Command.BIND_TRANSCEIVER, sequence=1, fields={"system_id": "me", "password": "secret"}
    )
    with socket.create_connection(("127.0.0.1", int(found[1])), timeout=10) as client:
        client.sendall(encode(bind))
        assert client.recv(4096)[4:12] == bytes.fromhex("8000000900000000")
    simulator.terminate()
    rest, _ = simulator.communicate(timeout=10)
    assert simulator.returncode == 0
    assert rest == "binds 1\n"


def test_wrong_faults_are_wrong_usage() -> None:
    """A fault that does not exist ends with 2 and the names of those that do."""
    refused = onesixty("simulate", "smsc", "--fault", "gravity=1")
    assert refused.returncode == 2
    assert "no fault is called 'gravity'; there are: " in refused.stderr
    assert "drop_answers" in onesixty("simulate", "faults").stdout
    assert "+15005550103" in onesixty("simulate", "numbers").stdout


def test_providers_over_http() -> None:
    """Each that is asked for listens, answers as it would, and tells how to be added."""
    simulator = subprocess.Popen(
        [*PROGRAM, "simulate", "http", "--port", "0", "--kind", "twilio"],
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert simulator.stdout
    url = simulator.stdout.readline().split()[-1]
    carrier = json.loads(simulator.stdout.readline().partition("/v1/carriers ")[2])
    assert (carrier["kind"], carrier["settings"]["base_url"]) == ("twilio", url)
    with pytest.raises(HTTPError) as refused:
        urlopen(f"{url}/2010-04-01/Accounts/AC{'0' * 32}/Messages.json", timeout=10)
    assert json.load(refused.value)["code"] == 20003
    simulator.terminate()
    rest, _ = simulator.communicate(timeout=10)
    assert simulator.returncode == 0
    assert rest.splitlines()[-1] == "twilio: requests 1"


def test_providers_that_nobody_plays() -> None:
    """A kind that is not simulated, and a fault that there is not, are wrong usage."""
    refused = onesixty("simulate", "http", "--kind", "pigeon")
    assert (refused.returncode, "there are: aws_" in refused.stderr) == (2, True)
    refused = onesixty("simulate", "http", "--fault", "gravity=1")
    assert (refused.returncode, "'gravity'" in refused.stderr) == (2, True)


def test_a_lookup_source() -> None:
    """It listens, answers as the settings that it prints read it, and counts."""
    simulator = subprocess.Popen(
        [*PROGRAM, "simulate", "lookups", "--port", "0"],
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert simulator.stdout
    simulator.stdout.readline()
    source = json.loads(simulator.stdout.readline().partition("/simulated ")[2])["settings"]
    url = source["request"]["url"].replace("{to_digits}", "447700900127")
    for name in ("base_url", "api_key"):
        url = url.replace(f"{{{name}}}", source[name])
    with urlopen(url, timeout=10) as answer:
        assert json.loads(answer.read())["mccmnc"] == "23415"
    simulator.terminate()
    rest, _ = simulator.communicate(timeout=10)
    assert (simulator.returncode, rest) == (0, "questions 1\n")
