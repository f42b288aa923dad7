-- The spine: accounts, the records on file, messages and what happens to them.
--
-- Small tables ("records") bump `records_revision`, so every process sees a change within a second.
-- Big tables are partitioned by their UUIDv7, hence by time; `storage/partitions.py` makes the parts.
-- Work queues are narrow tables of their own: their cost does not grow with history.

CREATE TABLE records_revision (only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row), number bigint NOT NULL DEFAULT 0);
INSERT INTO records_revision DEFAULT VALUES;

CREATE FUNCTION bump_records_revision() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE records_revision SET number = number + 1;
    PERFORM pg_notify('onesixty_records', '');
    RETURN NULL;
END $$;

CREATE TABLE accounts (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    public_id uuid NOT NULL UNIQUE,
    parent_id integer REFERENCES accounts,          -- its routes and carriers serve where the account has none
    name text NOT NULL UNIQUE,
    default_sender text,
    signing_secret bytea NOT NULL,                  -- sealed; signs calls to the callback_url of a message
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE api_keys (
    id uuid PRIMARY KEY,
    account_id integer NOT NULL REFERENCES accounts,
    name text NOT NULL,
    hash bytea NOT NULL UNIQUE,                     -- SHA-256; the key itself is shown once and never stored
    hint text NOT NULL,                             -- its first letters, to recognise it by
    test boolean NOT NULL DEFAULT false,
    scopes text[] NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz,
    revoked_at timestamptz
);
CREATE INDEX api_keys_account ON api_keys (account_id);

CREATE TABLE carriers (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    public_id uuid NOT NULL UNIQUE,
    account_id integer NOT NULL REFERENCES accounts,
    name text NOT NULL,
    kind text NOT NULL,
    settings jsonb NOT NULL,                        -- without the secret fields
    secrets bytea,                                  -- sealed JSON of the secret fields
    enabled boolean NOT NULL DEFAULT true,
    paused boolean NOT NULL DEFAULT false,
    rate_per_second integer,
    removed_at timestamptz,                         -- history keeps pointing at it
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX carriers_name ON carriers (account_id, name) WHERE removed_at IS NULL;

CREATE TABLE routes (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    public_id uuid NOT NULL UNIQUE,
    account_id integer NOT NULL REFERENCES accounts,
    name text NOT NULL,
    position integer NOT NULL,
    match jsonb NOT NULL,
    strategy text NOT NULL,
    carriers jsonb NOT NULL,                        -- [{"carrier_id", "weight"}]
    enabled boolean NOT NULL DEFAULT true,
    removed_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX routes_name ON routes (account_id, name) WHERE removed_at IS NULL;

CREATE TABLE webhook_endpoints (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    public_id uuid NOT NULL UNIQUE,
    account_id integer NOT NULL REFERENCES accounts,
    url text NOT NULL,
    description text NOT NULL DEFAULT '',
    event_mask bigint NOT NULL,                     -- bit n = event type number n
    secret bytea NOT NULL,                          -- sealed
    old_secret bytea,                               -- sealed; signs too until old_secret_until
    old_secret_until timestamptz,
    failing_since timestamptz,
    disabled_at timestamptz,
    disabled_reason text,
    removed_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX webhook_endpoints_account ON webhook_endpoints (account_id) WHERE removed_at IS NULL AND disabled_at IS NULL;

CREATE TRIGGER accounts_changed AFTER INSERT OR UPDATE OR DELETE ON accounts FOR EACH STATEMENT EXECUTE FUNCTION bump_records_revision();
CREATE TRIGGER api_keys_changed AFTER INSERT OR UPDATE OR DELETE ON api_keys FOR EACH STATEMENT EXECUTE FUNCTION bump_records_revision();
CREATE TRIGGER carriers_changed AFTER INSERT OR UPDATE OR DELETE ON carriers FOR EACH STATEMENT EXECUTE FUNCTION bump_records_revision();
CREATE TRIGGER routes_changed AFTER INSERT OR UPDATE OR DELETE ON routes FOR EACH STATEMENT EXECUTE FUNCTION bump_records_revision();
CREATE TRIGGER webhook_endpoints_changed AFTER INSERT OR UPDATE OR DELETE ON webhook_endpoints FOR EACH STATEMENT EXECUTE FUNCTION bump_records_revision();

CREATE TABLE messages (
    account_id integer NOT NULL,
    id uuid NOT NULL,
    status smallint NOT NULL,                       -- numbers: messages/states.py
    sequence smallint NOT NULL DEFAULT 1,           -- events so far
    direction smallint NOT NULL,                    -- 0 outbound, 1 inbound
    category smallint NOT NULL,                     -- also its priority: 0 first
    test boolean NOT NULL DEFAULT false,
    encoding smallint NOT NULL,
    segments smallint NOT NULL,
    parts_sent smallint NOT NULL DEFAULT 0,
    attempts smallint NOT NULL DEFAULT 0,
    carrier_id integer,
    route_id integer,
    fallbacks integer[],                            -- carriers to try after this one
    sender text,
    recipient text NOT NULL,
    body text NOT NULL,
    reference text,
    callback_url text,
    batch_id uuid,
    tags jsonb,
    metadata jsonb,
    error_code text,
    error_class text,
    error_detail text,
    carrier_code text,
    send_at timestamptz,
    expires_at timestamptz,
    created_at timestamptz NOT NULL,
    sent_at timestamptz,
    delivered_at timestamptz,
    final_at timestamptz,
    PRIMARY KEY (account_id, id)
) PARTITION BY RANGE (id);

-- What waits for its time or for room at its carrier. A row leaves when it is claimed, cancelled or expired.
CREATE TABLE queue (
    message_id uuid PRIMARY KEY,
    account_id integer NOT NULL,
    carrier_id integer NOT NULL,
    priority smallint NOT NULL,
    due_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 2000);
CREATE INDEX queue_due ON queue (carrier_id, priority, due_at);
CREATE INDEX queue_expiry ON queue (expires_at);

CREATE TABLE nodes (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,  -- also the key of the advisory lock it holds while it lives
    name text NOT NULL,
    started_at timestamptz NOT NULL DEFAULT now()
);

-- Messages in the hands of a process, one row for each batch it took.
CREATE TABLE leases (
    id uuid PRIMARY KEY,
    node_id integer NOT NULL,
    account_ids integer[] NOT NULL,
    message_ids uuid[] NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 2000);

-- One row for each part of each attempt, written when the carrier answered, or when it is sure that it did not.
CREATE TABLE submissions (
    account_id integer NOT NULL,
    message_id uuid NOT NULL,
    attempt smallint NOT NULL,
    part smallint NOT NULL,
    parts smallint NOT NULL,                        -- of the whole message
    carrier_id integer NOT NULL,
    outcome smallint NOT NULL,                      -- carriers/contract.py
    carrier_message_id text,
    match_key text,                                 -- normal form of the carrier's id: receipts are found by it
    code text,                                      -- the carrier's own code
    submitted_at timestamptz NOT NULL,
    answered_at timestamptz NOT NULL,
    receipt_state smallint NOT NULL DEFAULT 0,
    receipt_error text,
    receipt_at timestamptz,
    PRIMARY KEY (message_id, attempt, part)
) PARTITION BY RANGE (message_id);
CREATE INDEX submissions_match ON submissions (match_key, carrier_id) WHERE match_key IS NOT NULL;
-- Not on receipt_state too: an update of what an index is on cannot stay on its page.
CREATE INDEX submissions_unanswered ON submissions (message_id) WHERE outcome = 4;

-- Every receipt as it came; one without a message is parked until its submission is known.
CREATE TABLE receipts (
    id uuid NOT NULL,
    carrier_id integer NOT NULL,
    account_id integer,
    message_id uuid,
    part smallint,
    carrier_message_id text NOT NULL,
    match_key text NOT NULL,
    state smallint NOT NULL,
    error text,
    sender text,
    recipient text,
    raw text NOT NULL,
    received_at timestamptz NOT NULL,
    PRIMARY KEY (id)
) PARTITION BY RANGE (id);
CREATE INDEX receipts_message ON receipts (message_id) WHERE message_id IS NOT NULL;
CREATE INDEX receipts_parked ON receipts (match_key, carrier_id) WHERE message_id IS NULL;

-- Parts of an inbound long message until the last one is here.
CREATE TABLE inbound_parts (
    carrier_id integer NOT NULL,
    sender text NOT NULL,
    recipient text NOT NULL,
    encoding text NOT NULL,
    reference integer NOT NULL,
    reference_bits smallint NOT NULL,
    total smallint NOT NULL,
    part smallint NOT NULL,
    locking smallint NOT NULL,
    single smallint NOT NULL,
    octets bytea NOT NULL,
    received_at timestamptz NOT NULL,
    PRIMARY KEY (carrier_id, sender, recipient, reference, reference_bits, total, encoding, part)
);

CREATE TABLE events (
    account_id integer NOT NULL,
    id uuid NOT NULL,
    type smallint NOT NULL,                         -- numbers: records/events.py
    sequence smallint NOT NULL,
    message_id uuid,
    data jsonb,                                     -- for events that are not about a message
    at timestamptz NOT NULL,
    PRIMARY KEY (account_id, id)
) PARTITION BY RANGE (id);
CREATE INDEX events_message ON events (message_id) WHERE message_id IS NOT NULL;

-- The outbox: a row is written with the change that it tells of and leaves when the endpoint took it or it is given up.
CREATE TABLE webhook_queue (
    event_id uuid NOT NULL,
    endpoint_id integer NOT NULL,                   -- 0: the callback_url of the message
    account_id integer NOT NULL,
    due_at timestamptz NOT NULL,
    attempts smallint NOT NULL DEFAULT 0,
    PRIMARY KEY (event_id, endpoint_id)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 2000);
CREATE INDEX webhook_queue_due ON webhook_queue (endpoint_id, due_at);

CREATE TABLE deliveries (
    account_id integer NOT NULL,
    id uuid NOT NULL,
    event_id uuid NOT NULL,
    endpoint_id integer NOT NULL,
    attempt smallint NOT NULL,
    url text NOT NULL,
    status_code smallint,                           -- NULL: no answer
    error text,
    response text,                                  -- its first 1,000 characters
    milliseconds integer NOT NULL,
    at timestamptz NOT NULL,
    next_attempt_at timestamptz,                    -- NULL: taken or given up
    PRIMARY KEY (account_id, endpoint_id, id)
) PARTITION BY RANGE (id);
CREATE INDEX deliveries_event ON deliveries (event_id);

CREATE TABLE idempotency_keys (
    account_id integer NOT NULL,
    key text NOT NULL,
    fingerprint bytea NOT NULL,                     -- SHA-256 of method, path and body
    status_code smallint,
    answer bytea,                                   -- sealed
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, key)
);
CREATE INDEX idempotency_keys_age ON idempotency_keys (created_at);

CREATE TABLE batches (
    account_id integer NOT NULL,
    id uuid NOT NULL,
    accepted integer NOT NULL,
    refused integer NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (account_id, id)
);
