"""What the members say of themselves: polled from their REST interfaces, `/patroni` of each and `/cluster` of one."""

import http.client
import json
import threading
import time

PACE = 0.25
TIMEOUT = 1.0


class Row:
    """One line of the table."""

    def __init__(self, name):
        self.name = name
        self.role = "-"
        self.state = "not started"
        self.timeline = None
        self.lsn = None
        self.lag = None
        self.since = time.time()
        self.answers = False

    def is_leader(self):
        return self.role == "leader"

    def change(self, role, state):
        if (role, state) != (self.role, self.state):
            self.role, self.state, self.since = role, state, time.time()


def post(port, path, document):
    """The text that a member answers to a request of an operator."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=40)
    try:
        connection.request("POST", path, json.dumps(document))
        return connection.getresponse().read().decode()
    except (OSError, http.client.HTTPException) as error:
        return f"nothing ({error})"
    finally:
        connection.close()


def get(port, path):
    """The JSON document at `path`; None when there is none in time."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT)
    try:
        connection.request("GET", path)
        return json.loads(connection.getresponse().read())
    except (OSError, ValueError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def lsn_text(position):
    return None if position is None else f"{position >> 32:X}/{position & 0xFFFFFFFF:X}"


class Watcher:
    """Polls in a thread of its own and keeps the last picture."""

    def __init__(self, cluster):
        self.cluster = cluster
        self.rows = {node.name: Row(node.name) for node in cluster.nodes}
        self.lock = threading.Lock()
        self.ending = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True, name="watcher")
        self.rounds = 0

    def start(self):
        self.thread.start()

    def stop(self):
        self.ending.set()
        if self.thread.is_alive():
            self.thread.join(timeout=5 * TIMEOUT)

    def run(self):
        while not self.ending.wait(PACE):
            alive = self.cluster.alive
            answers = {node.name: get(node.rest_port, "/patroni") for node in alive}
            members = self.members([node for node in alive if answers[node.name] is not None])
            with self.lock:
                for node in self.cluster.nodes:
                    self.update(node, answers.get(node.name), members.get(node.name, {}))
                self.rounds += 1

    def members(self, nodes):
        for node in nodes:
            document = get(node.rest_port, "/cluster")
            if document is not None:
                return {member.get("name"): member for member in document.get("members", [])}
        return {}

    def update(self, node, answer, member):
        row = self.rows[node.name]
        row.answers = answer is not None
        role = member.get("role") or "-"  # by the lock in ZooKeeper, even when the node is gone
        if answer is None:
            state = "killed" if node.exit_code() is None and not node.is_alive else "no answer"
            row.change(role, "not started" if row.state == "not started" and not node.is_alive else state)
            row.timeline = row.lsn = row.lag = None
            return
        position = answer.get("xlog") or {}
        row.change(role, answer.get("replication_state") or answer.get("state") or "unknown")
        row.timeline = answer.get("timeline")
        location = position.get("location")
        row.lsn = lsn_text(position.get("replayed_location") if location is None else location)
        row.lag = None if row.is_leader() else member.get("lag")

    def picture(self):
        with self.lock:
            return [vars_copy(row) for row in self.rows.values()]

    def leader(self):
        """The name of the node that holds the lock and answers; None when there is none."""
        return next((row.name for row in self.picture() if row.is_leader() and row.answers), None)

    def flaw(self, names):
        """What keeps these nodes from being a whole cluster: one leader that runs, the others streaming from it."""
        rows = self.picture()
        leaders = [row for row in rows if row.is_leader()]
        if len(leaders) != 1 or leaders[0].name not in names:
            return "no leader among the living"
        leader = leaders[0]
        if leader.state != "running":
            return f"{leader.name} leads, but is {leader.state}"
        for row in rows:
            if row is leader or row.name not in names:
                continue
            if row.state != "streaming":
                return f"{row.name} is {row.state}, not streaming"
            if row.timeline != leader.timeline:
                return f"{row.name} is on timeline {row.timeline}, {leader.name} on {leader.timeline}"
        return None


def vars_copy(row):
    copy = Row(row.name)
    copy.__dict__.update(row.__dict__)
    return copy
