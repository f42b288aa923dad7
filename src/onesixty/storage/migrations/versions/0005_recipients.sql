-- Messages to one number, newest first: without it a list by recipient reads all that an account ever sent.
-- No other column of a list is worth an index: a status changes, and an index on it would move the whole row.
CREATE INDEX messages_recipient ON messages (account_id, recipient, id);
