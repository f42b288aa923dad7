"""Secrets: what is sealed opens only unchanged and under its key; the master key is made once."""

import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onesixty.kit import secrets
from onesixty.kit.secrets import Sealer, SealError


@given(st.binary(max_size=300))
def test_what_is_sealed_opens_again(plain: bytes) -> None:
    """Sealing loses nothing, shows nothing and differs every time."""
    sealer = Sealer(b"key")
    sealed = sealer.seal(plain)
    assert sealer.open(sealed) == plain
    assert Sealer(b"key").open(sealed) == plain
    assert sealer.seal(plain) != sealed
    assert len(plain) < 8 or plain not in sealed


def test_secret_names() -> None:
    """A secret name is the same under the same key for the same thing, and else another."""
    name = Sealer(b"key").secret_name(b"thing")
    assert name == Sealer(b"key").secret_name(b"thing")
    assert len({name, Sealer(b"kez").secret_name(b"thing"), Sealer(b"key").secret_name(b"")}) == 3
    assert len(name) == 32
    assert name.isalnum()
    assert name == name.lower()


def test_a_change_of_any_octet_is_noticed(sealer: Sealer) -> None:
    """Nonce, text and tag are all guarded."""
    sealed = sealer.seal(b"secret")
    for at in range(len(sealed)):
        changed = bytearray(sealed)
        changed[at] ^= 1
        with pytest.raises(SealError):
            sealer.open(bytes(changed))


def test_another_key_does_not_open(sealer: Sealer) -> None:
    """The error names the setting to put right."""
    with pytest.raises(SealError, match="ONESIXTY_SECRET_KEY"):
        Sealer(b"another key").open(sealer.seal(b"secret"))


def test_what_is_cut_off_does_not_open(sealer: Sealer) -> None:
    """A sealed form that lost its end is refused as changed."""
    with pytest.raises(SealError):
        sealer.open(sealer.seal(b"secret")[:-1])


def test_the_hash_of_a_key_is_sha_256() -> None:
    """Stored hashes stay valid: the example of FIPS 180 for `abc`."""
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert secrets.key_hash("abc").hex() == expected


def test_tokens_are_random_letters_and_digits() -> None:
    """A token has the asked length, only letters and digits, and no twin."""
    tokens = {secrets.token(32) for _ in range(100)}
    assert len(tokens) == 100
    assert all(len(one) == 32 and one.isascii() and one.isalnum() for one in tokens)
    assert len(secrets.token_bytes(32)) == 32


def test_equal_compares_the_whole() -> None:
    """Only the same octets are equal."""
    assert secrets.equal(b"abc", b"abc")
    assert not secrets.equal(b"abc", b"abd")
    assert not secrets.equal(b"abc", b"ab")


def test_the_master_key_is_made_once(tmp_path: Path) -> None:
    """The first call makes a key of text that only its owner may read; the second finds it."""
    key = secrets.master_key_in(tmp_path)
    assert len(key) == 43
    assert key.decode("ascii").isalnum()
    assert stat.S_IMODE((tmp_path / "secret.key").stat().st_mode) == 0o600
    assert secrets.master_key_in(tmp_path) == key
    assert [path.name for path in tmp_path.iterdir()] == ["secret.key"]


def test_a_given_master_key_is_kept(tmp_path: Path) -> None:
    """A key that was put there is used as it is, without the line end of an editor."""
    (tmp_path / "secret.key").write_bytes(b"chosen by hand\n")
    assert secrets.master_key_in(tmp_path) == b"chosen by hand"


def test_data_directories_have_keys_of_their_own(tmp_path: Path) -> None:
    """Two installations do not share a key."""
    folders = [tmp_path / name for name in ("one", "two")]
    for folder in folders:
        folder.mkdir()
    assert secrets.master_key_in(folders[0]) != secrets.master_key_in(folders[1])
