-- Channels that a message falls back to. What is to come is in messages.steps, what is over here:
-- [{"channel", "state", "attempts", "carrier_id", "at", "error"}], attempts as many as there were at its end.

ALTER TABLE messages ADD COLUMN past_steps jsonb;   -- NULL: it is still at its first channel

-- Messages with steps to come, and when to look at them: the next step is due, or the present one has failed.
CREATE TABLE fallbacks (
    message_id uuid PRIMARY KEY,
    account_id integer NOT NULL,
    due_at timestamptz NOT NULL
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 2000);
CREATE INDEX fallbacks_due ON fallbacks (due_at);
