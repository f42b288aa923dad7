"""`onesixty send` and `onesixty messages`, against a running server."""

import subprocess

from .programs import ENVIRONMENT, PROGRAM, onesixty


def test_send_follows_to_the_end(reach: dict[str, str]) -> None:
    """A message that arrives is followed over all its states, and the exit code is 0."""
    sent = onesixty("send", "--to", "+14155550123", "--from", "ACME", "Hello", **reach)
    assert sent.returncode == 0, sent.stderr
    first, *events = sent.stdout.splitlines()
    assert "1 segment of GSM7, by sandbox" in first
    assert [line.split()[1] for line in events] == ["queued", "sent", "delivered"]


def test_send_takes_data_and_flash(reach: dict[str, str]) -> None:
    """Binary data in hexadecimal digits, with its header; a flash message; wrong digits."""
    send = ("send", "--to", "+14155550126", "--from", "ACME")
    sent = onesixty(*send, "--data", "0102ff", "--udh", "0605040b8423f0", **reach)
    assert "1 segment of BINARY" in sent.stdout, sent.stderr
    shown = onesixty("messages", "show", sent.stdout.split()[0], **reach).stdout
    assert "AQL/" in shown
    assert "destination: 2948" in shown
    assert onesixty(*send, "--flash", "now", **reach).returncode == 0
    wrong = onesixty(*send, "--data", "xyz", **reach)
    assert (wrong.returncode, "in pairs" in wrong.stderr) == (2, True)


def test_send_takes_channels(reach: dict[str, str]) -> None:
    """Files, templates and plans of channels; the plan is followed from one to the next."""
    send = ("send", "--to", "+15005550105", "--from", "ACME")
    media = onesixty(*send, "--media", "https://example.com/a.png", "--wait", "0", **reach)
    assert "mms, by sandbox" in media.stdout, media.stderr
    chat = ("--channel", "whatsapp", "--template", "code:en_US", "--parameter", "481220")
    template = onesixty("send", "--to", "+14155550123", *chat, **reach)
    assert "whatsapp, by sandbox" in template.stdout, template.stderr
    nobody = ("--to", "+15005550118", "--from", "ACME")  # on WhatsApp
    sent = onesixty("send", *nobody, "--fallback", "whatsapp:60s,sms", "Hello", **reach)
    told = [line.split()[-1] for line in sent.stdout.splitlines()[1:]]
    assert told == ["queued", "sent", "fallback", "sent", "delivered"], sent.stderr
    shown = onesixty("messages", "show", sent.stdout.split()[0], **reach).stdout
    assert "channel: whatsapp, state: failed, carrier: sandbox" in shown


def test_send_fails_with_the_message(reach: dict[str, str]) -> None:
    """A message that does not arrive makes the exit code 1 and says why."""
    sent = onesixty("send", "--to", "+15005550103", "--from", "ACME", "Hello", **reach)
    assert sent.returncode == 1
    assert "undelivered" in sent.stdout.splitlines()[-1]


def test_failures_are_said_in_one_line(reach: dict[str, str]) -> None:
    """No server, a wrong key, no key, a refused number: each has its sentence and its exit code."""
    send = ("send", "--to", "+14155550123", "--from", "ACME", "Hello")
    for arguments, environment, exit_code, told in (
        (send, reach | {"ONESIXTY_URL": "http://127.0.0.1:1"}, 1, "no server at"),
        (send, reach | {"ONESIXTY_URL": "nonsense"}, 2, "is no URL"),
        (send, reach | {"ONESIXTY_KEY": "os_live_wrong"}, 1, "check --key"),
        (send, {"ONESIXTY_URL": reach["ONESIXTY_URL"]}, 2, "an API key is needed"),
        (("send", "--to", "12", "Hello"), reach, 1, "Not a phone number"),
        (("messages", "show", "msg_none"), reach, 1, "there is no message msg_none"),
    ):
        failed = onesixty(*arguments, **environment)
        assert (failed.returncode, failed.stderr.count("\n")) == (exit_code, 1), failed.stderr
        assert told in failed.stderr


def test_list_show_and_cancel(reach: dict[str, str]) -> None:
    """A message is found in the list and shown with its parts; a delivered one is not cancelled."""
    sent = onesixty("send", "--to", "+14155550124", "--from", "ACME", "Bonjour", **reach)
    message = sent.stdout.split()[0]
    listed = onesixty("messages", "list", "--to", "+14155550124", **reach)
    assert [line.split()[0] for line in listed.stdout.splitlines()] == ["ID", message]
    shown = onesixty("messages", "show", message, **reach).stdout
    assert "Bonjour" in shown
    assert "message.delivered" in shown
    cancelled = onesixty("messages", "cancel", message, **reach)
    assert cancelled.returncode == 1
    assert "it is delivered" in cancelled.stderr


def test_tail_shows_what_happens(reach: dict[str, str]) -> None:
    """Tail prints the events of a message that is sent meanwhile, and ends with 0 at Ctrl-C."""
    tail = subprocess.Popen(
        [*PROGRAM, "messages", "tail"],
        env=ENVIRONMENT | reach | {"PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert tail.stdout
    assert "following" in tail.stdout.readline()
    sent = onesixty("send", "--to", "+14155550125", "--from", "ACME", "Salut", **reach)
    message = sent.stdout.split()[0]
    statuses = []
    while "delivered" not in statuses:
        _, status, about, *_ = tail.stdout.readline().split()
        if about == message:
            statuses.append(status)
    assert statuses == ["queued", "sent", "delivered"]
    tail.terminate()
    tail.communicate(timeout=10)
    assert tail.returncode == 0
