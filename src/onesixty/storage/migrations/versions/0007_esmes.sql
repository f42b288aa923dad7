-- Customers that bind to us over SMPP.
CREATE TABLE esmes (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    public_id uuid NOT NULL UNIQUE,
    account_id integer NOT NULL REFERENCES accounts,
    system_id text NOT NULL,
    password_hash text NOT NULL,
    settings jsonb NOT NULL,
    enabled boolean NOT NULL DEFAULT true,
    removed_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX esmes_system_id ON esmes (system_id) WHERE removed_at IS NULL;
CREATE TRIGGER esmes_changed AFTER INSERT OR UPDATE OR DELETE ON esmes FOR EACH STATEMENT EXECUTE FUNCTION bump_records_revision();

-- Of a message that came over SMPP: {"esme": its number, "registered": registered_delivery, ...}. NULL for all others.
ALTER TABLE messages ADD COLUMN origin jsonb;

-- How many sessions each process has of each of them, and what they look like. What a crash of the
-- database loses is told again within seconds.
CREATE UNLOGGED TABLE esme_states (
    esme_id integer NOT NULL REFERENCES esmes,
    node_id integer NOT NULL REFERENCES nodes ON DELETE CASCADE,
    binds integer NOT NULL,
    state jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (esme_id, node_id)
) WITH (fillfactor = 50);
