-- The networks of numbers: by their first digits, and of single numbers as sources and receipts tell.

-- The operator's own number plan; it counts before the one that comes with the program.
CREATE TABLE number_plan (
    prefix text COLLATE "C" PRIMARY KEY,            -- first digits of numbers, without +
    network text COLLATE "C" NOT NULL,              -- MCC and MNC, digits
    name text NOT NULL                              -- of its operator
);
CREATE TABLE number_plan_state (
    revision bigint NOT NULL,                       -- of the rows: copies in memory are read again when it changes
    rows integer NOT NULL,
    updated_at timestamptz
);
INSERT INTO number_plan_state (revision, rows) VALUES (0, 0);
CREATE TRIGGER number_plan_changed AFTER UPDATE ON number_plan_state FOR EACH STATEMENT EXECUTE FUNCTION bump_records_revision();

-- Who may be asked about a number.
CREATE TABLE lookup_sources (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    public_id uuid NOT NULL UNIQUE,
    name text NOT NULL UNIQUE,
    kind text NOT NULL,                             -- features/lookups/sources.py
    settings jsonb NOT NULL,
    secrets bytea,                                  -- sealed
    enabled boolean NOT NULL,
    countries text[] NOT NULL,                      -- whose numbers; empty: all
    follow boolean NOT NULL,                        -- ask by itself about numbers that messages went to
    price bigint NOT NULL CHECK (price >= 0),       -- of a question, micros
    currency text NOT NULL,
    day_cap bigint,                                 -- micros a day (UTC) at most
    month_cap bigint,
    keep_seconds integer NOT NULL,                  -- how long an answer counts
    keep_unknown_seconds integer NOT NULL,          -- how long one without a network does
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE TRIGGER lookup_sources_changed AFTER INSERT OR UPDATE OR DELETE ON lookup_sources FOR EACH STATEMENT EXECUTE FUNCTION bump_records_revision();

CREATE TABLE lookup_spending (
    source_id integer NOT NULL REFERENCES lookup_sources ON DELETE CASCADE,
    day date NOT NULL,                              -- UTC
    questions integer NOT NULL DEFAULT 0,
    failed integer NOT NULL DEFAULT 0,              -- of them, without an answer that could be read
    micros bigint NOT NULL DEFAULT 0,
    told boolean NOT NULL DEFAULT false,            -- lookup.cap_reached
    error text,                                     -- the last one
    PRIMARY KEY (source_id, day)
) WITH (fillfactor = 50);

-- What is known of single numbers.
CREATE TABLE number_networks (
    number text COLLATE "C" PRIMARY KEY,            -- E.164
    network text COLLATE "C",                       -- NULL: asked, and not known
    ported boolean,
    valid boolean,
    reachable boolean,
    source text NOT NULL,                           -- name of the source, or `receipts`
    at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    asked_until timestamptz                         -- somebody asks now, and nobody else until then
) WITH (fillfactor = 80);
CREATE INDEX number_networks_at ON number_networks (at);
CREATE INDEX number_networks_expires ON number_networks (expires_at);
