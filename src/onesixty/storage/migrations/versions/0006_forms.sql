-- Messages that are not plain text: binary, with a user data header, flash, silent. NULL for all others.
ALTER TABLE messages ADD COLUMN form jsonb;

-- What came beside the text of a part, and the message that it was shown in: parts are kept a while
-- after that, for those that come late or twice.
ALTER TABLE inbound_parts ADD COLUMN form jsonb, ADD COLUMN message_id uuid;
