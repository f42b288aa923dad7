-- What became of a message is not known: where it is asked for again, and when.

ALTER TABLE messages ADD COLUMN possible_duplicate boolean NOT NULL DEFAULT false;  -- sent once more while in doubt

-- Messages whose end has to be looked for: uncertain ones, and sent ones whose receipt takes long. A row leaves
-- when its message is found to have ended.
CREATE TABLE doubts (
    message_id uuid PRIMARY KEY,
    account_id integer NOT NULL,
    since timestamptz NOT NULL,
    due_at timestamptz NOT NULL,                    -- when it is looked at next
    asked boolean NOT NULL DEFAULT false            -- the carrier was asked what became of it
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 2000);
CREATE INDEX doubts_due ON doubts (due_at);

-- Up to which event "sent" messages without an end have been given a row in doubts.
CREATE TABLE doubts_position (only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row), event_id uuid NOT NULL);
INSERT INTO doubts_position (event_id)
SELECT rpad(lpad(to_hex((extract(epoch FROM now()) * 1000)::bigint), 12, '0'), 32, '0')::uuid;
