"""A client behind HAProxy that remembers what was acknowledged."""

import os
import sys
import threading
import time

import psycopg2

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../demo"))
from writer import TIMELINE, Connection  # noqa: E402

from engine import Failed, eventually  # noqa: E402

PACE = 0.02


def dsn(password, port, host="127.0.0.1"):
    return f"host={host} port={port} dbname=postgres user=postgres password={password} application_name=client"


def query(where, statement, within=5):
    """One statement on a connection of its own."""
    connection = None
    try:
        connection = Connection(where, within)
        return connection.query(statement, deadline=within)
    except (psycopg2.Error, OSError) as error:
        raise Failed(f"{statement}: {error}") from error
    finally:
        if connection is not None:
            connection.close()


class Visitor(threading.Thread):
    """Connects anew again and again, and counts at how many visits it was led to a primary and to a standby."""

    def __init__(self, where):
        super().__init__(daemon=True)
        self.where = where
        self.visits = {False: 0, True: 0}  # by whether the server is in recovery
        self.ending = threading.Event()

    def run(self):
        while not self.ending.wait(PACE):
            try:
                self.visits[query(self.where, "SELECT pg_is_in_recovery()", within=2)[0][0]] += 1
            except Failed:
                pass  # led nowhere

    def stop(self):
        self.ending.set()
        self.join(timeout=10)


class Client(threading.Thread):
    """Writes rows of its own kind one after the other, each on whatever connection there is, until it is stopped."""

    def __init__(self, where, kind, table="rows"):
        super().__init__(daemon=True)
        self.where, self.kind, self.table = where, kind, table
        self.acknowledged = []  # (number, moment, timeline)
        self.error = None
        self.broken = None  # the timeline of the primary that is about to be broken
        self.ending = threading.Event()

    def breaks(self):
        """Remembers which primary takes the rows now, for `fails_over`."""
        self.broken = self.acknowledged[-1][2]
        return time.monotonic()

    def run(self):
        """Each row once: without an answer it may be there or not."""
        number, connection, timeline = 0, None, 0
        while not self.ending.is_set():
            number += 1
            try:
                if connection is None:
                    connection = Connection(self.where, 2)
                    timeline = connection.query(TIMELINE)[0][0]
                connection.query(f"INSERT INTO {self.table} (kind, number) VALUES (%s, %s)", (self.kind, number))
                self.acknowledged.append((number, time.monotonic(), timeline))
            except (psycopg2.Error, OSError) as error:
                self.error = error
                if connection is not None:
                    connection.close()
                connection = None
            self.ending.wait(PACE)
        if connection is not None:
            connection.close()

    def stop(self):
        self.ending.set()
        self.join(timeout=10)

    def fails_over(self, within=60, rows=20):
        """Waits for rows that another primary than the last acknowledges; the seconds between the two."""
        before = self.broken

        def newer():
            return [row for row in list(self.acknowledged) if row[2] > before]
        eventually(f"another primary takes rows of {self.kind}", within, lambda: len(newer()) >= rows)
        first = newer()[0]
        last = [row for row in self.acknowledged if row[2] == before][-1]
        return first[1] - last[1]

    def check_order(self):
        """Rows went to one primary after the other: no older timeline after a newer one."""
        timelines = [timeline for _, _, timeline in self.acknowledged]
        if timelines != sorted(timelines):
            raise Failed(f"rows of {self.kind} were acknowledged by an old primary after its successor")

    def lost(self, where):
        """The numbers that were acknowledged and are not there."""
        rows = query(where, f"SELECT number FROM {self.table} WHERE kind = '{self.kind}'", within=20)
        return {number for number, _, _ in self.acknowledged} - {number for number, in rows}
