"""A database that takes no writes for a while: nothing is promised, nothing is lost."""

import asyncio

import pytest

from .served import Platform, until

MESSAGES = 400
pytestmark = pytest.mark.asyncio(loop_scope="session")

# What a full disk looks like from outside: reads go on, and whatever grows a table is refused.
_FULL = """
CREATE FUNCTION disk_is_full() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION USING ERRCODE = 'disk_full',
        MESSAGE = 'could not extend file "base/5/1": No space left on device';
END $$;
CREATE TRIGGER full_disk BEFORE INSERT ON events
    FOR EACH STATEMENT EXECUTE FUNCTION disk_is_full();
"""
_READ_ONLY = """
ALTER DATABASE postgres SET default_transaction_read_only = on;
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
OUTAGES = {
    "full disk": (_FULL, "DROP FUNCTION disk_is_full CASCADE"),
    "read only": (
        _READ_ONLY,
        "SET default_transaction_read_only = off;"
        + _READ_ONLY.replace(
            "SET default_transaction_read_only = on", "RESET default_transaction_read_only"
        ),
    ),
}


@pytest.mark.parametrize("outage", OUTAGES)
async def test_writes_refused(platform: Platform, outage: str) -> None:
    """Clients are told to come back; what was promised before arrives once it takes writes."""
    begin, end = OUTAGES[outage]
    load = asyncio.create_task(platform.load(MESSAGES, insist=True))
    await platform.promised(100)
    async with platform.database() as connection:
        await connection.execute(begin)
        refusals = await platform.load(20)
        await connection.execute(end)
    assert refusals == {503: 20}
    assert (await load).keys() <= {202, 503}
    await until(platform.is_ready)
    await platform.check(await platform.come_to_rest())
