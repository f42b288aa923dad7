-- Several processes on one database: which of them dispatch, and how carriers stand in each.

ALTER TABLE nodes
    ADD COLUMN dispatches boolean NOT NULL DEFAULT true,  -- takes part in sharing the carriers' sessions
    ADD COLUMN backend integer,                           -- of the connection that holds its locks
    ADD COLUMN revision bigint NOT NULL DEFAULT 0;        -- of the records that it has read

-- What a crash of the database loses is told again within seconds.
CREATE UNLOGGED TABLE carrier_states (
    carrier_id integer NOT NULL,
    node_id integer NOT NULL REFERENCES nodes ON DELETE CASCADE,
    state jsonb NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (carrier_id, node_id)
) WITH (fillfactor = 50);
