-- Messages to one number, or with one reference of the customer's, newest first: without these a list reads all
-- that an account ever sent. No other column of a list is worth an index: a status changes, and an index on it
-- would move the whole row.
-- The condition is always true, and known to be only where a recipient is asked for: statements that look messages
-- up by (account_id, id) must not take this index for the key, which for an empty partition costs the same.
CREATE INDEX messages_recipient ON messages (account_id, recipient, id) WHERE recipient IS NOT NULL;
CREATE INDEX messages_reference ON messages (account_id, reference, id) WHERE reference IS NOT NULL;
