"""The settings of an SMPP carrier: what a carrier engineer agrees with the far side."""

from typing import Final

from onesixty.carriers.contract import SettingField

PEM_MOST: Final = 65_536
STATUS_CLASSES: Final = ("permanent", "config", "throttle", "transient", "session")
WORDS: Final = (
    "enroute", "delivered", "expired", "deleted", "undelivered", "accepted", "unknown", "rejected",
)  # fmt: skip
VERSIONS: Final = {"3.3": 0x33, "3.4": 0x34, "5.0": 0x50}


def _seconds(name: str, title: str, default: float, most: float) -> SettingField:
    return SettingField(name, "number", title, default=default, at_least=0.1, at_most=most)


def _numbering(kind: str, of: str, ton: int, npi: int) -> tuple[SettingField, SettingField]:
    return (
        SettingField(f"{kind}_ton", "integer", f"Type of number of {of}", default=ton, at_least=0,
                     at_most=6),
        SettingField(f"{kind}_npi", "integer", f"Numbering plan of {of}", default=npi, at_least=0,
                     at_most=18),
    )  # fmt: skip


def _octet(name: str, title: str, default: int) -> SettingField:
    return SettingField(name, "integer", title, default=default, at_least=0, at_most=255)


_BIND: Final = (
    SettingField("host", "text", "Host name or address of the SMSC", required=True),
    SettingField("port", "integer", "Its TCP port", default=2775, at_least=1, at_most=65535),
    SettingField("fallback_hosts", "text", "Others to try in turn when it cannot be reached or"
                 " refuses: `host:port, host:port`", default="", at_most=1000),
    SettingField("outbind_port", "integer", "TCP port on which its hosts may call us by outbind;"
                 " 0 for none", default=0, at_least=0, at_most=65535),
    SettingField("system_id", "text", "The account's name at the SMSC", required=True, at_most=15),
    SettingField("password", "secret", "The account's password; SMPP allows 8 characters",
                 default="", at_most=64),
    SettingField("long_password", "boolean", "Send a password beyond 8 characters whole, as a few"
                 " SMSCs hand out", default=False),
    SettingField("system_type", "text", "Often empty; some SMSCs want SMPP, VMA or CP",
                 default="", at_most=12),
    SettingField("bind", "choice", "One transceiver, or a transmitter and a receiver",
                 default="transceiver", choices=("transceiver", "transmitter_receiver")),
    SettingField("binds", "integer", "Sessions of each kind, over all processes", default=1,
                 at_least=1, at_most=64),
    SettingField("interface_version", "choice", "SMPP version to bind with", default="3.4",
                 choices=tuple(VERSIONS)),
    SettingField("address_range", "text", "address_range of the bind; nearly always empty",
                 default="", at_most=40),
    *_numbering("address_range", "address_range", 0, 0),
    SettingField("window", "integer", "Unanswered submits allowed on each bind", default=10,
                 at_least=1, at_most=1000),
)  # fmt: skip
_TIMERS: Final = (
    _seconds("connect_seconds", "Wait for the connection, TLS included", 10, 120),
    _seconds("bind_seconds", "Wait for the answer to a bind", 10, 120),
    SettingField("enquire_link_seconds", "number", "Silence after which the link is tested",
                 default=30, at_least=1, at_most=300),
    _seconds("enquire_answer_seconds", "Wait for a sign of life then; after two of them the link"
             " is dead", 10, 120),
    _seconds("response_seconds", "Wait for an answer before a submit is uncertain", 60, 300),
    _seconds("unbind_seconds", "Wait for the answer to unbind", 5, 60),
    _seconds("reconnect_min_seconds", "Longest wait before the first new attempt; it doubles with"
             " each", 1, 60),
    _seconds("reconnect_max_seconds", "Longest wait between attempts", 60, 3600),
    _seconds("refused_seconds", "Least wait after a bind was refused for name, password or system"
             " type, or failed (0x0D): quick retries get addresses banned", 60, 3600),
    _seconds("already_bound_seconds", "Least wait after ESME_RALYBND: the SMSC must notice that the"
             " old session is dead", 30, 3600),
)  # fmt: skip
_TLS: Final = (
    SettingField("tls", "boolean", "Connect with TLS, 1.2 or later", default=False),
    SettingField("tls_verify", "boolean", "Check the certificate; false is insecure", default=True),
    SettingField("tls_server_name", "text", "Name to ask for (SNI) and to verify, when it is not"
                 " the host"),
    SettingField("tls_ca", "text", "Certificates to trust (PEM) instead of those of the system",
                 at_most=PEM_MOST),
    SettingField("tls_certificate", "text", "Our certificate (PEM), with those between it and its"
                 " root, where the SMSC wants one", at_most=PEM_MOST),
    SettingField("tls_key", "secret", "Private key (PEM, without a passphrase) of that certificate",
                 at_most=PEM_MOST),
)  # fmt: skip
_ADDRESSES: Final = (
    *_numbering("international", "senders with +", 1, 1),
    *_numbering("national", "senders of more than 8 digits without +", 2, 1),
    *_numbering("short_code", "short-code senders (up to 8 digits)", 3, 0),
    *_numbering("alphanumeric", "senders with letters", 5, 0),
    *_numbering("destination", "recipients, which are always international", 1, 1),
)
_TEXT: Final = (
    SettingField("default_alphabet", "choice", "What data_coding 0 means there, both ways",
                 default="gsm7", choices=("gsm7", "latin1", "ascii", "utf8")),
    SettingField("gsm7_packed", "boolean", "GSM septets are packed, 8 in 7 octets", default=False),
    _octet("gsm7_data_coding", "data_coding of texts in the GSM alphabet", 0),
    _octet("latin1_data_coding", "data_coding of texts in Latin-1", 3),
    _octet("ucs2_data_coding", "data_coding of texts in UCS-2", 8),
    SettingField("flash", "choice", "How a message class is said: by data_coding 0x10, by 0xF0, or"
                 " class 0 by the TLV dest_addr_subunit", default="data_coding",
                 choices=("data_coding", "data_coding_f0", "dest_addr_subunit")),
    SettingField("concatenation", "choice", "How long messages are tied together",
                 default="udh8", choices=("udh8", "udh16", "sar", "payload")),
)  # fmt: skip
_SUBMIT: Final = (
    SettingField("service_type", "text", "service_type of submits", default="", at_most=5),
    SettingField("validity", "choice", "Form of validity_period", default="relative",
                 choices=("relative", "absolute", "none")),
    SettingField("query", "boolean", "Ask by query_sm before a message ends without a receipt",
                 default=False),
    SettingField("dlt_entity_id", "text", "India: principal entity id, TLV 0x1400", at_most=64),
    SettingField("dlt_template_id", "text", "India: content template id, TLV 0x1401", at_most=64),
    SettingField("dlt_chain", "text", "India: telemarketer chain or its hash, TLV 0x1402",
                 at_most=512),
    SettingField("dlt_nul", "boolean", "End the values of the India TLVs with a NUL", default=True),
    SettingField("extra_tlvs", "map", "TLVs for every submit: tag to hex octets or `text:` and"
                 ' ASCII, such as `{"0x1403": "text:41001", "0x0381": "0a0b"}`'),
    SettingField("status_codes", "map", "What the client makes of a command_status, where the"
                 ' vendor uses it otherwise: `{"0x45": "throttle"}`', choices=STATUS_CLASSES),
)  # fmt: skip
_RECEIPTS: Final = (
    SettingField("receipts", "boolean", "Ask for delivery receipts", default=True),
    SettingField("receipts_of", "choice", "Which parts of a long message to ask receipts for",
                 default="every_part", choices=("every_part", "last_part")),
    SettingField("intermediate_receipts", "boolean", "Ask for notifications on the way too",
                 default=False),
    SettingField("answer_id_form", "choice", "How answers write message ids", default="opaque",
                 choices=("opaque", "hex", "decimal")),
    SettingField("receipt_id_form", "choice", "How receipts write message ids; other forms are"
                 " tried and learnt", default="opaque", choices=("opaque", "hex", "decimal")),
    SettingField("receipt_by_text", "boolean", "Take a message that reads `id:... stat:...` for a"
                 " receipt; subscribers can write such texts", default=False),
    SettingField("receipt_state", "choice", "What counts where text and TLV differ",
                 default="text", choices=("text", "tlv")),
    SettingField("status_words", "map", "What words behind `stat:` mean, where they are not the"
                 ' usual: `{"FOO": "undelivered"}`', choices=WORDS),
)  # fmt: skip

FIELDS: Final = (*_BIND, *_TIMERS, *_TLS, *_ADDRESSES, *_TEXT, *_SUBMIT, *_RECEIPTS)
