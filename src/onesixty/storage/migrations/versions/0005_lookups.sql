-- Messages to one number, or with one reference of the customer's, newest first: without these a list reads all
-- that an account ever sent. No other column of a list is worth an index: a status changes, and an index on it
-- would move the whole row.
CREATE INDEX messages_recipient ON messages (account_id, recipient, id);
CREATE INDEX messages_reference ON messages (account_id, reference, id) WHERE reference IS NOT NULL;
