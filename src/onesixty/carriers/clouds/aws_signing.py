"""Requests that AWS lets in: credentials, and Signature Version 4 over a request of ours.

botocore is used for what it knows (the signature, the places where credentials are found), none of
its clients. It takes a third of a second to import, so that happens in a thread, once.
"""

import asyncio
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any, Final

from onesixty.carriers.contract import CarrierConfig, SettingField
from onesixty.carriers.http.dialect import NotSentError, Request
from onesixty.kit.clock import Clock

FIELDS: Final = (
    SettingField("region", "text", "AWS region, such as eu-west-1", required=True, at_most=64),
    SettingField("access_key_id", "text",
                 "Access key; without one, credentials are found as AWS's own tools find them",
                 at_most=128),
    SettingField("secret_access_key", "secret", "Secret of the access key", at_most=256),
    SettingField("session_token", "secret", "Session token of temporary credentials",
                 at_most=4096),
)  # fmt: skip
# botocore renews temporary credentials from 15 minutes before they end, when it is asked.
_LOOK_AGAIN_SECONDS: Final = 60.0
_FAILED_SECONDS: Final = 5.0


def endpoint(config: CarrierConfig, service: str) -> str:
    """Where a service of AWS is, without a slash at its end: `base_url`, or that of the region."""
    given: str | None = config.settings.get("base_url")
    region = config.settings["region"]
    ending = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    return (given or f"https://{service}.{region}.{ending}").rstrip("/")


@dataclass(frozen=True, slots=True)
class Keys:
    """Credentials of one moment; botocore reads them under these names."""

    access_key: str
    secret_key: str
    token: str | None = None


class Signer:
    """Signs requests to one service of AWS."""

    def __init__(self, config: CarrierConfig, service: str) -> None:
        self._service, self._region = service, config.settings["region"]
        self._clock = config.clock
        self._credentials = _Credentials(config)
        self._is_ready = False

    async def sign(self, request: Request) -> Request:
        """The request with its signature. Raises NotSentError when there are no credentials."""
        keys = await self._credentials.now()
        if not self._is_ready:
            await asyncio.to_thread(import_module, "botocore.auth")
            self._is_ready = True
        return _signed(request, keys, (self._service, self._region), self._clock)


def _signed(request: Request, keys: Keys, scope: tuple[str, str], clock: Clock) -> Request:
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest

    stamp = clock.now().strftime("%Y%m%dT%H%M%SZ")
    headers = dict(request.headers) | {"X-Amz-Date": stamp}
    if keys.token:
        headers["X-Amz-Security-Token"] = keys.token
    made = AWSRequest(request.method, request.url, headers, request.body)
    made.context["timestamp"] = stamp  # not its `add_auth`: that would ask the machine's clock
    auth = SigV4Auth(keys, *scope)
    text = auth.string_to_sign(made, auth.canonical_request(made))
    signed = auth.signed_headers(auth.headers_to_sign(made))
    headers["Authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={auth.scope(made)}, SignedHeaders={signed},"
        f" Signature={auth.signature(text, made)}"
    )
    return replace(request, headers=headers)


class _Credentials:
    """Those of the settings, or those that botocore finds, renewed before they end."""

    def __init__(self, config: CarrierConfig) -> None:
        given = config.settings
        self._clock = config.clock
        self._keys: Keys | None = None
        self._are_fixed = bool(given.get("access_key_id"))
        if self._are_fixed:
            if not given.get("secret_access_key"):
                raise ValueError("access_key_id needs secret_access_key")
            self._keys = Keys(
                given["access_key_id"], given["secret_access_key"], given.get("session_token")
            )
        elif config.is_guest:
            raise ValueError("set access_key_id and secret_access_key")
        self._found: Any = None
        self._look_at, self._wrong = float("-inf"), ""
        self._looking = asyncio.Lock()

    async def now(self) -> Keys:
        """What to sign with. While somebody looks for newer ones, the known ones do.

        Raises NotSentError; who asks again soon is told the same, since to look may take long.
        """
        if self._keys and (self._are_fixed or not self._is_due() or self._looking.locked()):
            return self._keys
        async with self._looking:
            if self._is_due():
                await self._look_again()
        if self._keys is None:
            raise NotSentError(self._wrong)
        return self._keys

    def _is_due(self) -> bool:
        return self._clock.monotonic() >= self._look_at

    async def _look_again(self) -> None:
        try:
            self._keys = await asyncio.to_thread(self._look)
            self._look_at = self._clock.monotonic() + _LOOK_AGAIN_SECONDS
        except NotSentError as error:
            self._keys, self._wrong = None, str(error)
            self._look_at = self._clock.monotonic() + _FAILED_SECONDS

    def _look(self) -> Keys:
        """Blocks: reads files, and asks the instance for its role."""
        from botocore.exceptions import BotoCoreError
        from botocore.session import Session

        try:
            if self._found is None:
                self._found = Session().get_credentials()
            frozen = self._found and self._found.get_frozen_credentials()
        except (BotoCoreError, OSError, ValueError, RuntimeError) as error:
            raise NotSentError(f"AWS credentials cannot be had: {error}") from error
        if not frozen:
            raise NotSentError(
                "there are no AWS credentials: set access_key_id, or give this machine a role, a"
                " profile or AWS_ACCESS_KEY_ID"
            )
        return Keys(frozen.access_key, frozen.secret_key, frozen.token)
