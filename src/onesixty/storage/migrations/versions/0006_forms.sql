-- Messages that are not plain text: binary, with a user data header, flash, silent. NULL for all others.
ALTER TABLE messages ADD COLUMN form jsonb;
