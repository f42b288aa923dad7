"""The WhatsApp Business Cloud API as a carrier: sends, and fetches files and templates."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from onesixty.carriers.content import WHATSAPP, TemplateState
from onesixty.carriers.contract import CarrierConfig, CarrierSpec, SettingField
from onesixty.carriers.http.calls import object_of, objects, words
from onesixty.carriers.http.carrier import HttpCarrier
from onesixty.carriers.http.client import Client
from onesixty.carriers.http.dialect import (
    Answer,
    Ask,
    CannotSendError,
    NoAnswerError,
    NotSentError,
    Request,
)
from onesixty.carriers.http.settings import FIELDS
from onesixty.carriers.whatsapp.calls import WhatsAppCalls
from onesixty.carriers.whatsapp.codes import PAIR_SECONDS
from onesixty.carriers.whatsapp.dialect import WhatsAppDialect, words_of

PAGES_MOST: Final = 50  # of templates
FILE_SECONDS: Final = 60.0
FILE_OCTETS_MOST: Final = 110_000_000  # a document has 100 MB at most


class WhatsAppCarrier(HttpCarrier):
    """A phone number of a business."""

    def __init__(self, config: CarrierConfig) -> None:
        self._api: WhatsAppDialect
        self._business: str | None = config.settings.get("waba_id")
        self._public_only = config.public_only
        super().__init__(config, self._make(config))

    async def fetch(self, url: str) -> tuple[str, bytes]:
        """Content type and octets of a file by Meta's id of it. Raises OSError."""
        told = await self._get(self._api.url(url))
        place = told.get("url")
        if not isinstance(place, str):
            raise OSError("Meta names no URL for this file: it keeps files for 30 days")
        client = Client(FILE_SECONDS, FILE_OCTETS_MOST, public_only=self._public_only)
        try:
            answer = await self._ask_whole(Request("GET", place, self._api.headers()), client)
        finally:
            await client.close()
        return answer.headers.get("content-type", "application/octet-stream"), answer.body

    async def templates(self) -> Sequence[TemplateState]:
        """Every template of the business. Raises OSError; also when `waba_id` is not set."""
        if not self._business:
            raise OSError("set waba_id, the WhatsApp Business Account, to read its templates")
        found: list[TemplateState] = []
        after = ""
        for _ in range(PAGES_MOST):
            query = {"limit": "100"} | ({"after": after} if after else {})
            told = await self._get(self._api.url(f"{self._business}/message_templates", **query))
            found += [_template(one) for one in objects(told.get("data"))]
            paging = object_of(told.get("paging"))
            after = words(object_of(paging.get("cursors")).get("after"))
            if not paging.get("next") or not after:
                break
        return found

    def _make(self, config: CarrierConfig) -> Any:
        def make(ask: Ask) -> WhatsAppDialect:
            self._api = WhatsAppDialect(config, ask)
            return self._api

        return make

    async def _get(self, url: str) -> Mapping[str, Any]:
        answer = await self._ask_whole(Request("GET", url, self._api.headers()))
        return object_of(answer.json())

    async def _ask_whole(self, request: Request, client: Client | None = None) -> Answer:
        try:
            answer = await (client or self._client).ask(request)
        except (NotSentError, NoAnswerError, CannotSendError) as error:
            raise OSError(str(error)) from None
        if answer.status != 200:
            told = object_of(answer.json()).get("error")
            reason = words_of(told) if isinstance(told, dict) else f"HTTP {answer.status}"
            raise OSError(f"Meta answers: {reason}")
        return answer


def _template(one: Mapping[str, Any]) -> TemplateState:
    return TemplateState(
        words(one.get("name")),
        words(one.get("language")),
        words(one.get("status")).upper(),
        words(one.get("category")).upper(),
        words(one.get("rejected_reason")).replace("NONE", ""),
        tuple(objects(one.get("components"))),
    )


SPEC: Final = CarrierSpec(
    kind="whatsapp",
    title="WhatsApp Business, by Meta's Cloud API",
    fields=(
        SettingField("phone_number_id", "text", "Id of the phone number, not the number itself",
                     required=True, at_most=32),
        SettingField("access_token", "secret", "Token of a system user with"
                     " whatsapp_business_messaging", required=True),
        SettingField("app_secret", "secret", "Secret of the app, by which its calls are checked"),
        SettingField("verify_token", "secret", "What Meta repeats when the webhook is set up: a"
                     " word of your choice"),
        SettingField("waba_id", "text", "WhatsApp Business Account, for its templates", at_most=32),
        SettingField("version", "text", "Version of the Graph API", default="v23.0", at_most=8),
        SettingField("pair_seconds", "number", "Between two messages to the same person",
                     default=PAIR_SECONDS, at_least=0, at_most=60),
        SettingField("base_url", "text", "Where the API is",
                     default="https://graph.facebook.com", at_most=200),
        *FIELDS,
    ),
    build=WhatsAppCarrier,
    receives=("receipts", "inbound"),
    account=("waba_id",),
    channels=(WHATSAPP,),
    calls=WhatsAppCalls,
    callbacks={"": "Callback URL of the app's webhook, with your verify token; fields messages,"
                   " message_template_status_update, user_preferences"},
    templates="waba_id",
    guide="whatsapp",
)  # fmt: skip
