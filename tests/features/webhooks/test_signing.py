"""Signatures by a key whose part is done once."""

import hmac

from hypothesis import given
from hypothesis import strategies as some

from onesixty.features.webhooks.signing import Signer


@given(some.binary(min_size=1, max_size=100), some.lists(some.binary(max_size=300), max_size=3))
def test_signatures_are_hmac(key: bytes, contents: list[bytes]) -> None:
    """The same as the standard library's, whatever the key's length, one after the other."""
    signer = Signer(key)
    for content in contents:
        assert signer.sign(content) == hmac.digest(key, content, "sha256")
