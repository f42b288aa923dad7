"""Databases for tests, used again: to empty one takes a fifth of what a new copy takes."""

from dataclasses import dataclass
from itertools import count
from typing import Final
from urllib.parse import urlsplit, urlunsplit

import psycopg

USES_MOST: Final = 40  # dead rows in its catalogue make it slower
# Put into the template. Tables that others refer to cannot be truncated alone.
PRISTINE: Final = """
CREATE SCHEMA pristine;

CREATE FUNCTION pristine.shape() RETURNS text LANGUAGE sql AS $$
    SELECT concat_ws(' ', count(*), max(oid::int8), sum(reltuples) FILTER (WHERE relkind = 'r'),
        (SELECT count(*) FROM pg_statistic WHERE starelid >= 16384),
        (SELECT count(*) FROM pg_proc WHERE oid >= 16384),
        (SELECT count(*) FROM pg_trigger),
        (SELECT count(*) FROM pg_db_role_setting JOIN pg_database d ON d.oid = setdatabase
            WHERE datname = current_database()))
    FROM pg_class WHERE oid >= 16384
$$;

CREATE FUNCTION pristine.restore() RETURNS void LANGUAGE plpgsql AS $$
DECLARE used record;
BEGIN
    SET LOCAL session_replication_role = replica;
    FOR used IN
        SELECT oid::regclass AS name, EXISTS (
            SELECT FROM pg_constraint WHERE confrelid = c.oid AND contype = 'f'
        ) AS known
        FROM pg_class c WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
            AND pg_relation_size(oid) > 0
    LOOP
        EXECUTE CASE WHEN used.known THEN 'DELETE FROM ' ELSE 'TRUNCATE ' END || used.name;
    END LOOP;
    FOR used IN
        SELECT relname AS name FROM pg_class WHERE relnamespace = 'pristine'::regnamespace
    LOOP
        EXECUTE format('INSERT INTO public.%1$I TABLE pristine.%1$I', used.name);
    END LOOP;
    PERFORM setval(seqrelid::regclass, seqstart, false) FROM pg_sequence
        WHERE pg_sequence_last_value(seqrelid) IS NOT NULL;
END
$$;

DO $$
DECLARE filled record;
BEGIN
    FOR filled IN
        SELECT relname AS name FROM pg_class WHERE relnamespace = 'public'::regnamespace
            AND relkind = 'r' AND pg_relation_size(oid) > 0
    LOOP
        EXECUTE format('CREATE TABLE pristine.%1$I AS TABLE public.%1$I', filled.name);
    END LOOP;
END
$$
"""
_ALONE: Final = """
SELECT pg_terminate_backend(pid), pg_sleep(0.001) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


@dataclass(slots=True)
class _Used:
    """A database that was given out, and our connection to it."""

    name: str
    connection: psycopg.Connection
    shape: str
    uses: int = 1


class Stock:
    """Copies of a template, as good as new each time. For one worker."""

    def __init__(self, server_url: str, admin: psycopg.Connection, template: str) -> None:
        self._server_url, self._admin, self._template = server_url, admin, template
        self._numbers = count()
        self._out: dict[str, _Used] = {}
        self._rest: list[_Used] = []

    def take(self) -> str:
        """The URL of a migrated database in which nothing happened yet."""
        if self._rest:
            one = self._rest.pop()
            one.uses += 1
        else:
            one = self._make()
        url = named(self._server_url, one.name)
        self._out[url] = one
        return url

    def give_back(self, url: str) -> None:
        """End who is still connected and empty it; a test that changed more had it for itself."""
        one = self._out.pop(url)
        try:
            while one.connection.execute(_ALONE).rowcount:
                pass  # they are on their way out
            if one.uses < USES_MOST and _shape(one.connection) == one.shape:
                one.connection.execute("SELECT pristine.restore()")
                self._rest.append(one)
                return
        except psycopg.Error:  # a test ended our connection too, or took tables away
            pass
        self._drop(one)

    def close(self) -> None:
        """Drop them all."""
        while self._rest:
            self._drop(self._rest.pop())

    def _make(self) -> _Used:
        name = f"{self._template}_{next(self._numbers)}"
        copy = f"CREATE DATABASE {name} TEMPLATE {self._template} STRATEGY file_copy"
        self._admin.execute(copy.encode())
        connection = psycopg.connect(named(self._server_url, name), autocommit=True)
        return _Used(name, connection, _shape(connection))

    def _drop(self, one: _Used) -> None:
        one.connection.close()
        self._admin.execute(f"DROP DATABASE IF EXISTS {one.name} WITH (FORCE)".encode())


def named(server_url: str, database: str) -> str:
    """The URL of another database on the same server."""
    parts = urlsplit(server_url)
    return urlunsplit((parts.scheme, parts.netloc, f"/{database}", parts.query, parts.fragment))


def _shape(connection: psycopg.Connection) -> str:
    found = connection.execute("SELECT pristine.shape()").fetchone()
    assert found
    shape: str = found[0]
    return shape
