-- What became of what carriers were given, by country and by the minute in which they took it.
CREATE TABLE carrier_quality (
    carrier_id integer NOT NULL,
    country text NOT NULL,                          -- of the recipient; 001: of none
    minute integer NOT NULL,                        -- since 1970
    sent integer NOT NULL,
    failed integer NOT NULL,                        -- by the carrier's own fault
    delivered integer NOT NULL,
    undelivered integer NOT NULL,
    within_0 integer NOT NULL,                      -- delivered, by time: messages/quality/judging.BOUNDS
    within_1 integer NOT NULL,
    within_2 integer NOT NULL,
    within_3 integer NOT NULL,
    within_4 integer NOT NULL,
    within_5 integer NOT NULL,
    within_6 integer NOT NULL,
    within_7 integer NOT NULL,
    converted integer NOT NULL,                     -- evidence: see there
    unconverted integer NOT NULL,
    contradicted integer NOT NULL,
    PRIMARY KEY (carrier_id, country, minute)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX carrier_quality_minute ON carrier_quality (minute);

CREATE TABLE carrier_standings (
    carrier_id integer NOT NULL REFERENCES carriers,
    country text NOT NULL,
    level text NOT NULL,                            -- good, degraded, suspect
    since timestamptz,                              -- of the last change; NULL: none yet
    why text NOT NULL DEFAULT '',
    rate double precision,                          -- delivered of what was taken, over the window
    median_seconds double precision,
    coverage double precision,                      -- the part that has a final receipt
    sample integer NOT NULL DEFAULT 0,
    at timestamptz NOT NULL,
    PRIMARY KEY (carrier_id, country)
) WITH (fillfactor = 70);

-- What customers say of messages beside the receipts.
CREATE TABLE feedback (
    account_id integer NOT NULL,
    message_id uuid NOT NULL,
    outcome text NOT NULL,                          -- converted, not_converted, not_received
    at timestamptz NOT NULL,
    PRIMARY KEY (message_id, outcome)
);
