"""Settings: where they come from, which source wins, and what a wrong one is answered."""

import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest

from onesixty.settings import PREFIX, SettingError, Settings, load, seconds_or_never, table

KEY = "os_live_0123456789abcdef"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A TOML file that sets one of each type."""
    path = tmp_path / "onesixty.toml"
    path.write_text(
        'data_dir = "/srv/onesixty"\nhost = "0.0.0.0"\nport = 9000\n'
        "allow_private_urls = true\nstop_seconds = 2.5\n"
    )
    return path


def test_defaults() -> None:
    """With nothing given every setting has its default: only this machine can reach the server."""
    settings = load({})
    assert settings == Settings()
    assert (settings.host, settings.port, settings.data_dir) == (
        "127.0.0.1",
        8160,
        Path("onesixty-data"),
    )
    assert settings.database_url is None
    assert settings.allow_private_urls is False


def test_the_environment() -> None:
    """Every type is read from text; names without the prefix are not ours."""
    settings = load(
        {
            "ONESIXTY_DATA_DIR": "/srv/data",
            "ONESIXTY_DATABASE_URL": "postgresql://db/sms",
            "ONESIXTY_PORT": "0",
            "ONESIXTY_STOP_SECONDS": "0.5",
            "ONESIXTY_LOG_JSON": "yes",
            "ONESIXTY_BOOTSTRAP_KEY": KEY,
            "PORT": "1",
            "ONESIXTY_TEST_DATABASE_URL": "not a setting",
        }
    )
    assert settings == Settings(
        data_dir=Path("/srv/data"),
        database_url="postgresql://db/sms",
        port=0,
        stop_seconds=0.5,
        log_json=True,
        bootstrap_key=KEY,
    )


@pytest.mark.parametrize("text", ["1", "true", "TRUE", "Yes", "on"])
def test_words_for_true(text: str) -> None:
    """The usual words switch a setting on, in any case."""
    assert load({"ONESIXTY_LOG_JSON": text}).log_json is True


@pytest.mark.parametrize("text", ["0", "false", "False", "NO", "off"])
def test_words_for_false(text: str, config: Path) -> None:
    """The usual words switch a setting off that the file switches on."""
    assert load({"ONESIXTY_ALLOW_PRIVATE_URLS": text}, config).allow_private_urls is False


def test_seconds_or_never() -> None:
    """How long a doubt lasts is given in seconds, or as the word for not at all."""
    assert seconds_or_never("uncertain_otp", load({}).uncertain_otp) == 5.0
    assert seconds_or_never("uncertain_otp", "2.5") == 2.5
    assert seconds_or_never("uncertain_otp", "Never") is None


def test_a_toml_file(config: Path) -> None:
    """The file has the names in lower case, with values of TOML's own types."""
    assert load({}, config) == Settings(
        data_dir=Path("/srv/onesixty"),
        host="0.0.0.0",
        port=9000,
        allow_private_urls=True,
        stop_seconds=2.5,
    )


def test_the_nearer_source_wins(config: Path) -> None:
    """What the command line gives beats the environment, that the file, that the default."""
    environment = {"ONESIXTY_PORT": "9001", "ONESIXTY_HOST": "::1"}
    settings = load(environment, config, port=9002, host=None)
    assert settings.port == 9002
    assert settings.host == "::1"
    assert settings.data_dir == Path("/srv/onesixty")
    assert settings.log_level == "info"


@pytest.mark.parametrize("value", [0, False, ""])
def test_given_empty_values_count(value: Any) -> None:
    """Only None means that nothing was given."""
    name = {int: "port", bool: "log_json", str: "public_url"}[type(value)]
    text = {"ONESIXTY_" + name.upper(): "1"}
    assert getattr(load(text, **{name: value}), name) == value


def test_an_unknown_name_in_the_file(config: Path) -> None:
    """A misspelt setting is named, with those that there are."""
    config.write_text("prot = 1\n")
    with pytest.raises(SettingError, match=r"unknown setting prot; there are: .*\bport\b"):
        load({}, config)


def test_an_unknown_name_given() -> None:
    """What the program itself gives is checked the same way."""
    with pytest.raises(SettingError, match="unknown setting colour"):
        load({}, colour="blue")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("PORT", "http"),
        ("PORT", ""),
        ("PORT", "80.5"),
        ("PORT", "-1"),
        ("PORT", "65536"),
        ("STOP_SECONDS", "soon"),
        ("LOG_JSON", "maybe"),
        ("ALLOW_PRIVATE_URLS", ""),
        ("LOG_LEVEL", "loud"),
        ("DATABASE_CONNECTIONS", "3"),
        ("DATABASE_CONNECTIONS", "many"),
        ("UNCERTAIN_OTP", "soon"),
        ("UNCERTAIN_MARKETING", "-1"),
        ("UNCERTAIN_EMERGENCY", "nan"),
        ("GRACE_SECONDS", "-1"),
        ("PUBLIC_URL", "sms.example.com"),
        ("PUBLIC_URL", "https://sms.example.com/?a=1"),
        ("BOOTSTRAP_KEY", "secret"),
        ("BOOTSTRAP_KEY", "os_live_short"),
        ("BOOTSTRAP_KEY", "sk_live_0123456789abcdef"),
    ],
)
def test_a_value_that_does_not_fit_is_named(name: str, text: str) -> None:
    """The error names the setting as it is written in the environment."""
    with pytest.raises(SettingError, match=rf"\bONESIXTY_{name}\b"):
        load({PREFIX + name: text})


@pytest.mark.parametrize(
    ("text", "name"), [('port = "http"\n', "PORT"), ('log_json = "maybe"\n', "LOG_JSON")]
)
def test_a_value_of_the_file_that_does_not_fit_is_named(config: Path, text: str, name: str) -> None:
    """Values of the file are checked as those of the environment."""
    config.write_text(text)
    with pytest.raises(SettingError, match=f"ONESIXTY_{name}"):
        load({}, config)


def test_a_test_key_may_bootstrap() -> None:
    """A key of either kind can be created at the first start."""
    key = KEY.replace("live", "test")
    assert load({"ONESIXTY_BOOTSTRAP_KEY": key}).bootstrap_key == key


def test_a_file_that_is_missing(tmp_path: Path) -> None:
    """The error names the path that was looked for."""
    path = tmp_path / "missing.toml"
    with pytest.raises(SettingError, match=re.escape(str(path))):
        load({}, path)


@pytest.mark.parametrize("content", [b"port: 1\n", b"host = '\xff'\n"])
def test_a_file_that_is_not_toml(config: Path, content: bytes) -> None:
    """The error names the file and what it should be."""
    config.write_bytes(content)
    with pytest.raises(SettingError, match=f"{re.escape(str(config))} is not TOML"):
        load({}, config)


def test_the_table_lists_every_setting() -> None:
    """The reference has each setting once, with type, default and meaning."""
    rows = table()
    fields = dataclasses.fields(Settings)
    assert [row[0] for row in rows] == [PREFIX + one.name.upper() for one in fields]
    assert {row[1] for row in rows} == {"Path", "str", "int", "float", "bool"}
    assert all(meaning.endswith(".") for *_, meaning in rows)
    by_name: dict[str, tuple[Any, ...]] = {row[0]: row[1:3] for row in rows}
    assert by_name["ONESIXTY_PORT"] == ("int", "8160")
    assert by_name["ONESIXTY_DATABASE_URL"] == ("str", "")
    assert by_name["ONESIXTY_DATA_DIR"] == ("Path", "onesixty-data")


def test_every_default_of_the_table_can_be_set() -> None:
    """Setting each default by its text changes nothing."""
    environment = {name: default for name, _, default, _ in table() if default}
    assert load(environment) == Settings()
