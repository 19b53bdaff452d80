"""A client that writes a row every few milliseconds and finds the primary by itself.

A thread for each server keeps a connection open, so that no server waits for another: as soon as one says that it has
left recovery, rows go there. Each acknowledged row is remembered with the moments of its sending and its
acknowledgement; a row without an answer counts as neither written nor refused.
"""

import collections
import select
import threading
import time

import psycopg2
import psycopg2.extensions as states

PACE = 0.005
TABLE = "CREATE TABLE IF NOT EXISTS matriarch_demo (id bigint PRIMARY KEY, at timestamptz NOT NULL DEFAULT now())"
TIMELINE = """SELECT CASE WHEN pg_is_in_recovery() THEN 0
    ELSE ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int END"""

Write = collections.namedtuple("Write", "id node timeline sent acknowledged")


class Connection:
    """A connection on which every step has a deadline."""

    def __init__(self, dsn, deadline=0.5):
        self.inner = psycopg2.connect(dsn, async_=1)
        try:
            self.wait(deadline)
        except BaseException:
            self.inner.close()
            raise

    def wait(self, seconds):
        end = time.monotonic() + seconds
        while (state := self.inner.poll()) != states.POLL_OK:
            descriptor = [self.inner.fileno()]
            reads, writes = (descriptor, []) if state == states.POLL_READ else ([], descriptor)
            left = end - time.monotonic()
            if left <= 0 or not any(select.select(reads, writes, [], left)):
                raise TimeoutError("no answer in time")

    def query(self, statement, parameters=None, deadline=1.0):
        cursor = self.inner.cursor()
        cursor.execute(statement, parameters)
        self.wait(deadline)
        return cursor.fetchall() if cursor.description else None

    def close(self):
        self.inner.close()


class Record:
    """The acknowledged writes, shared by the threads."""

    def __init__(self):
        self.lock = threading.Lock()
        self.writes = collections.deque(maxlen=200_000)
        self.total = 0
        self.last_id = 0
        self.newest = 0  # the highest timeline that acknowledged a row
        self.newest_since = 0.0
        self.double = []  # rows acknowledged on an older timeline although sent after that moment: two primaries

    def next_id(self):
        with self.lock:
            self.last_id += 1
            return self.last_id

    def add(self, write):
        with self.lock:
            self.total += 1
            self.writes.append(write)
            if write.timeline > self.newest:
                self.newest, self.newest_since = write.timeline, write.acknowledged
            elif write.timeline < self.newest and write.sent > self.newest_since:
                self.double.append(write)

    def last(self):
        with self.lock:
            return self.writes[-1] if self.writes else None

    def since(self, moment):
        """The last write acknowledged before `moment` and all later ones, in the order of their acknowledgements."""
        with self.lock:
            found = []
            for write in reversed(self.writes):
                found.append(write)
                if write.acknowledged < moment:
                    break
        return sorted(found, key=lambda write: write.acknowledged)

    def rate(self):
        """Acknowledged writes in the last second."""
        return sum(1 for write in self.since(time.monotonic() - 1)[1:])


class Writer:
    """The client: one thread for each node."""

    def __init__(self, nodes, password):
        self.record = Record()
        self.ending = threading.Event()
        self.has_table = False
        self.addresses = {
            node.name: f"host=127.0.0.1 port={node.port} dbname=postgres user=postgres password={password} "
                       f"application_name=demo_writer" for node in nodes}
        self.threads = [
            threading.Thread(target=self.run, args=(name,), daemon=True, name=f"writer-{name}")
            for name in self.addresses]

    def start(self):
        for thread in self.threads:
            thread.start()

    def stop(self):
        self.ending.set()
        for thread in self.threads:
            if thread.is_alive():
                thread.join(timeout=3)

    def is_quiet(self):
        """True when nobody has acknowledged a write for a moment: now every server is asked often."""
        last = self.record.last()
        return last is None or time.monotonic() - last.acknowledged > 4 * PACE

    def run(self, name):
        while not self.ending.is_set():
            connection = None
            try:
                connection = Connection(self.addresses[name])
                self.serve(name, connection)
            except (psycopg2.Error, OSError):
                pass
            finally:
                if connection is not None:
                    connection.close()
            self.ending.wait(0.01 if self.is_quiet() else 0.1)

    def serve(self, name, connection):
        """Writes as long as this server takes writes; waits as long as it is a standby."""
        timeline = 0
        while not self.ending.is_set():
            if timeline == 0:
                timeline = connection.query(TIMELINE)[0][0]
                if timeline == 0:
                    self.ending.wait(0.003 if self.is_quiet() else 0.02)
                    continue
                if not self.has_table:
                    connection.query(TABLE, deadline=5)
                    self.has_table = True
            number, sent = self.record.next_id(), time.monotonic()
            connection.query("INSERT INTO matriarch_demo (id) VALUES (%s)", (number,))
            acknowledged = time.monotonic()
            self.record.add(Write(number, name, timeline, sent, acknowledged))
            self.ending.wait(max(0, sent + PACE - acknowledged))

    def missing(self, writes, node):
        """How many of these acknowledged rows `node` does not have."""
        if not writes:
            return 0
        connection = Connection(self.addresses[node])
        try:
            numbers = {write.id for write in writes}
            rows = connection.query(
                "SELECT id FROM matriarch_demo WHERE id BETWEEN %s AND %s", (min(numbers), max(numbers)), deadline=10)
        finally:
            connection.close()
        return len(numbers - {row[0] for row in rows})


Pause = collections.namedtuple("Pause", "seconds before after")


def longest_pause(writes):
    """The longest time between two acknowledgements that follow one another."""
    pairs = list(zip(writes, writes[1:]))
    if not pairs:
        return None
    before, after = max(pairs, key=lambda pair: pair[1].acknowledged - pair[0].acknowledged)
    return Pause(after.acknowledged - before.acknowledged, before, after)
