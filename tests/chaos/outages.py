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
_READ_ONLY: Final = """
ALTER DATABASE postgres SET default_transaction_read_only = on;
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
OUTAGES: Final = {
    "full disk": (_FULL, "DROP FUNCTION disk_is_full CASCADE"),
    "read only": (
        _READ_ONLY,
        "SET default_transaction_read_only = off;"
        + _READ_ONLY.replace(
            "SET default_transaction_read_only = on", "RESET default_transaction_read_only"
        ),
    ),
}
