-- What far sides tell by HTTP: receipts with our own id, prices and networks; inbound messages with
-- ids of theirs; calls that were refused.
ALTER TABLE receipts
    ADD COLUMN echoed uuid,          -- our id of the message, where the far side gives it back
    ADD COLUMN network text,         -- MCC and MNC of the recipient, such as 23410
    ADD COLUMN cost_micros bigint,   -- millionths of the unit of the currency
    ADD COLUMN cost_currency text;
CREATE INDEX receipts_echoed ON receipts (id) WHERE message_id IS NULL AND echoed IS NOT NULL;

-- Inbound messages by the carrier's id: one that comes once more is known. Carriers of one account
-- go by the lowest number among them.
CREATE TABLE inbound_ids (
    carrier_id integer NOT NULL,
    id text NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (carrier_id, id)
);
CREATE INDEX inbound_ids_at ON inbound_ids (at);

-- The last call that was refused, for people who look why nothing comes.
CREATE TABLE call_refusals (
    carrier_id integer PRIMARY KEY,
    at timestamptz NOT NULL,
    path text NOT NULL,              -- behind the callback URL of the carrier
    status smallint NOT NULL,        -- that it was answered
    reason text NOT NULL
);
