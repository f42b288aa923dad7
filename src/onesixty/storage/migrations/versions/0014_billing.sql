-- Prices, balances, the ledger, caps, usage. All money is in millionths of the unit of a currency.

-- A price list: what a carrier costs, or what an account (and those below it that have none) is charged.
CREATE TABLE decks (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    public_id uuid NOT NULL UNIQUE,
    name text NOT NULL UNIQUE,
    kind text NOT NULL,                             -- cost, sell
    carrier_id integer UNIQUE REFERENCES carriers,  -- of a cost deck
    account_id integer UNIQUE REFERENCES accounts,  -- of a sell deck
    currency text NOT NULL,                         -- ISO 4217
    charge text NOT NULL DEFAULT 'submitted',       -- of a sell deck: accepted, submitted, delivered
    revision bigint NOT NULL DEFAULT 0,             -- of its rows: copies in memory are read again when it changes
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE TRIGGER decks_changed AFTER INSERT OR UPDATE OR DELETE ON decks FOR EACH STATEMENT EXECUTE FUNCTION bump_records_revision();

CREATE TABLE deck_rows (
    deck_id integer NOT NULL REFERENCES decks ON DELETE CASCADE,
    channel smallint NOT NULL,                      -- carriers/content.py
    network text COLLATE "C" NOT NULL,              -- MCC and MNC, digits; empty: any
    prefix text COLLATE "C" NOT NULL,               -- first digits of the number, without +; empty: any
    micros bigint NOT NULL CHECK (micros >= 0),     -- for a segment of an SMS, for a message of other channels
    valid_from timestamptz NOT NULL,
    valid_until timestamptz CHECK (valid_until > valid_from),
    PRIMARY KEY (deck_id, channel, network, prefix, valid_from)
);

-- How much one unit of a currency is worth in the currency of the account at the top.
CREATE TABLE currency_rates (
    currency text PRIMARY KEY,
    rate numeric NOT NULL CHECK (rate > 0),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE TRIGGER currency_rates_changed AFTER INSERT OR UPDATE OR DELETE ON currency_rates FOR EACH STATEMENT EXECUTE FUNCTION bump_records_revision();

-- Accounts that pay, for themselves and for those below them that do not. Without a row nothing is priced.
CREATE TABLE payers (
    account_id integer PRIMARY KEY REFERENCES accounts,
    mode text NOT NULL,                             -- prepaid, postpaid
    credit bigint NOT NULL CHECK (credit >= 0),     -- how far below zero `available` may go
    low bigint,                                     -- tell by balance.low when less is available
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE TRIGGER payers_changed AFTER INSERT OR UPDATE OR DELETE ON payers FOR EACH STATEMENT EXECUTE FUNCTION bump_records_revision();

-- The books of an account, as its transfers add up: their sum is zero.
CREATE TABLE balances (
    account_id integer PRIMARY KEY REFERENCES accounts,
    funding bigint NOT NULL DEFAULT 0 CHECK (funding <= 0),  -- what came in by top-ups, negative
    available bigint NOT NULL DEFAULT 0,
    held bigint NOT NULL DEFAULT 0 CHECK (held >= 0),  -- for messages that are on their way
    revenue bigint NOT NULL DEFAULT 0,              -- what it was charged, less what it got back
    low_told boolean NOT NULL DEFAULT false,        -- balance.low was told since there was enough
    CHECK (funding + available + held + revenue = 0)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 200);

-- Double entry: every transfer takes from one book of an account what it gives to another one.
CREATE TABLE transfers (
    account_id integer NOT NULL,                    -- who pays
    id uuid NOT NULL,                               -- of the message, or of what was done by hand
    kind smallint NOT NULL,                         -- 1 hold, 2 charge, 3 release, 4 refund, 5 top-up
    source smallint NOT NULL,                       -- book: 1 funding, 2 available, 3 held, 4 revenue
    target smallint NOT NULL CHECK (target <> source),
    micros bigint NOT NULL CHECK (micros > 0),
    at timestamptz NOT NULL,
    note text,                                      -- reason of a refund, reference of a top-up
    PRIMARY KEY (account_id, id, kind)              -- so a message is held, charged, released, refunded once
) PARTITION BY RANGE (id);

-- Messages whose price is held, or whose use is not counted yet. A row leaves when its message has ended.
CREATE TABLE holds (
    message_id uuid PRIMARY KEY,
    account_id integer NOT NULL,
    payer_id integer NOT NULL,
    micros bigint NOT NULL,
    charged bigint,                                 -- NULL: held still
    charge smallint NOT NULL,                       -- 1 when accepted, 2 when submitted, 3 when delivered
    country text,
    caps integer[],                                 -- caps that it counts against
    cap_micros bigint[],                            -- in the currencies of their accounts
    at timestamptz NOT NULL,                        -- when it was accepted
    due_at timestamptz NOT NULL                     -- when it is looked at next
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 2000);
CREATE INDEX holds_due ON holds (due_at);

-- How much an account, and those below it, may spend in a day or a month (UTC).
CREATE TABLE caps (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    public_id uuid NOT NULL UNIQUE,
    account_id integer NOT NULL REFERENCES accounts,  -- whose traffic, with those below it
    kind text NOT NULL,                             -- account, key, country
    value text NOT NULL,                            -- id of the key, or country code
    period text NOT NULL,                           -- day, month
    micros bigint NOT NULL CHECK (micros > 0),      -- in the currency of the account
    hard boolean NOT NULL,                          -- refuse what is over it; else tell only
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (account_id, kind, value, period)
);
CREATE TRIGGER caps_changed AFTER INSERT OR UPDATE OR DELETE ON caps FOR EACH STATEMENT EXECUTE FUNCTION bump_records_revision();
CREATE TABLE cap_counters (
    cap_id integer NOT NULL REFERENCES caps ON DELETE CASCADE,
    since date NOT NULL,                            -- first day of its period
    micros bigint NOT NULL DEFAULT 0,
    told smallint NOT NULL DEFAULT 0,               -- percent that was told of
    PRIMARY KEY (cap_id, since)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 200);

-- What a message was, when it had ended: usage is added up from these.
CREATE TABLE charges (
    id uuid NOT NULL,                               -- of the message, or of a refund
    line smallint NOT NULL,                         -- 0: the message; above: what further carriers cost; -1: its refund
    day date NOT NULL,                              -- of acceptance or refund, UTC
    account_id integer NOT NULL,
    country text NOT NULL,                          -- ISO 3166; empty: none
    carrier_id integer NOT NULL,                    -- 0: none
    channel smallint NOT NULL,
    currency text NOT NULL,
    cost_currency text NOT NULL,                    -- empty: the cost is not known
    messages integer NOT NULL,
    segments integer NOT NULL,
    delivered integer NOT NULL,
    charged bigint NOT NULL,
    cost bigint NOT NULL,
    PRIMARY KEY (id, line)
) PARTITION BY RANGE (id);

CREATE INDEX charges_day ON charges (day);

CREATE TABLE usage (
    day date NOT NULL,
    account_id integer NOT NULL,
    country text NOT NULL,
    carrier_id integer NOT NULL,
    channel smallint NOT NULL,
    currency text NOT NULL,
    cost_currency text NOT NULL,
    messages bigint NOT NULL,
    segments bigint NOT NULL,
    delivered bigint NOT NULL,
    charged bigint NOT NULL,
    cost bigint NOT NULL,
    PRIMARY KEY (day, account_id, country, carrier_id, channel, currency, cost_currency)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);
