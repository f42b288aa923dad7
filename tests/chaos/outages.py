"""Ways in which a database refuses to write while it goes on to be read; each can be ended."""

from typing import Final

# What a full disk looks like from outside: reads go on, and whatever grows a table is refused.
_FULL: Final = """
CREATE FUNCTION disk_is_full() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION USING ERRCODE = 'disk_full',
        MESSAGE = 'could not extend file "base/5/1": No space left on device';
END $$;
CREATE TRIGGER full_disk BEFORE INSERT ON events
    FOR EACH STATEMENT EXECUTE FUNCTION disk_is_full();
"""
# In force before the sessions end, so that every later one takes no writes; those that were opened
# meanwhile take none afterwards either, and nobody ends them.
_READ_ONLY: Final = """
BEGIN;
ALTER DATABASE postgres SET default_transaction_read_only = on;
COMMIT;
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
_WRITABLE: Final = """
SET default_transaction_read_only = off;
ALTER DATABASE postgres RESET default_transaction_read_only
"""
OUTAGES: Final = {
    "full disk": (_FULL, "DROP FUNCTION disk_is_full CASCADE"),
    "read only": (_READ_ONLY, _WRITABLE),
}
