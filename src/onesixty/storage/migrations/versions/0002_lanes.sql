-- Fair claims, failover of what waits, limits.

-- Which limits a message falls under (records/limits.py); NULL: none, so that it may take the short way.
ALTER TABLE messages ADD COLUMN flow text COLLATE "C";

-- Accounts, and the flows of each, share a lane fairly: a claim goes from one to the next by this index.
ALTER TABLE queue
    ADD COLUMN flow text COLLATE "C" NOT NULL DEFAULT '',
    ADD COLUMN next_carrier integer,                -- first fallback; NULL: none, or a part is at its carrier already
    DROP CONSTRAINT queue_pkey,
    ADD PRIMARY KEY (account_id, message_id);
DROP INDEX queue_due;
CREATE INDEX queue_due ON queue (carrier_id, priority, account_id, flow, due_at);
CREATE INDEX queue_fallback ON queue (carrier_id, next_carrier, priority, due_at) WHERE next_carrier IS NOT NULL;
UPDATE queue SET next_carrier = m.fallbacks[1]
FROM messages m WHERE m.account_id = queue.account_id AND m.id = queue.message_id AND m.parts_sent = 0;

ALTER TABLE carriers ADD COLUMN burst integer;      -- segments at once above the rate

-- How fast an account, and those below it, may send: in all, from one sender, or to one country.
CREATE TABLE limits (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    public_id uuid NOT NULL UNIQUE,
    account_id integer NOT NULL REFERENCES accounts,
    kind text NOT NULL,                             -- account, sender, country
    value text NOT NULL,                            -- public id of the account, sender ID, or country code
    rate_per_second double precision NOT NULL,      -- segments
    burst integer NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (account_id, kind, value)
);
CREATE TRIGGER limits_changed AFTER INSERT OR UPDATE OR DELETE ON limits FOR EACH STATEMENT EXECUTE FUNCTION bump_records_revision();
