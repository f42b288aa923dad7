-- Channels beside SMS, channels to fall back to, prices, and why a carrier was chosen.
ALTER TABLE messages
    ADD COLUMN channel smallint NOT NULL DEFAULT 0, -- carriers/content.py: 0 sms, 1 mms, 2 whatsapp
    ADD COLUMN content jsonb,                       -- media, template; NULL: text alone
    ADD COLUMN steps jsonb,                         -- channels still to fall back to; NULL: none
    ADD COLUMN explanation bigint,                  -- why this carrier: a row of explanations
    ADD COLUMN price_micros bigint;                 -- what the account is charged; NULL: nothing

-- What carriers say that they take, millionths of the unit of a currency.
ALTER TABLE submissions
    ADD COLUMN cost_micros bigint,
    ADD COLUMN cost_currency text;

ALTER TABLE accounts ADD COLUMN currency text NOT NULL DEFAULT 'EUR';  -- ISO 4217
