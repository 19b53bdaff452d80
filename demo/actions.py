"""What can be done to the cluster, and the account given of it afterwards."""

import re
import time

import watcher
import writer

WHOLE_FOR = 1.5  # the cluster must look whole for so long before an action counts as over
DEADLINE = 90

# The lines in which an agent says that it took the lock, and that its PostgreSQL is gone: the best kind first.
TAKEN = (r"^promoted self to leader", r"rule=candidate\.acquire", r"acquired|promot")
GONE = (r"^PostgreSQL ended",)
RELEASED = (r"next=release", r"released")


class Failed(Exception):
    """The cluster did not become whole again."""


class Director:
    """Carries out one action at a time. `say` takes a line for the user, `pause` sleeps or raises when it is time to end."""

    def __init__(self, cluster, members, client, say, pause):
        self.cluster = cluster
        self.members = members
        self.client = client
        self.say = say
        self.pause = pause

    def start_all(self):
        self.cluster.zookeeper.start()
        self.wait_for(self.cluster.zookeeper.serves, lambda: "ZooKeeper does not answer", 30)
        for node in self.cluster.nodes:
            node.start()
        self.client.start()
        self.members.start()
        self.wait_until_whole(time.monotonic())

    def kill_postmaster(self):
        """SIGKILL of the primary's postmaster; its agent lives and brings it back as a standby."""
        node, mark = self.primary(), Mark(self)
        pid = node.kill_postmaster()
        self.say(f"Killed the postmaster of {node.name} (pid {pid}) with SIGKILL.")
        self.wait_until_whole(mark.time)
        self.report(mark, node)

    def switch_over(self):
        """Asks for another leader, as an operator would: POST /switchover."""
        node, mark = self.primary(), Mark(self)
        self.say(f"Asked {node.name} to hand over (POST /switchover).")
        self.say(f"It answered: {watcher.post(node.rest_port, '/switchover', {'leader': node.name})}")
        self.wait_until_whole(mark.time)
        self.report(mark, node)

    def kill_node(self):
        """SIGKILL of all of the primary's node: agent, keeper, PostgreSQL."""
        if len(self.cluster.alive) < 2:
            self.say("Only one node is left: bring another back first.")
            return
        node, mark = self.primary(), Mark(self)
        count = node.kill()
        self.say(f"Killed all of {node.name} ({count} processes) with SIGKILL.")
        self.wait_until_whole(mark.time)
        self.report(mark, node)

    def bring_back(self):
        """Starts the nodes that were killed."""
        mark = Mark(self)
        dead = [node for node in self.cluster.nodes if not node.is_alive]
        if not dead:
            self.say("Every node is up.")
            return
        for node in dead:
            node.start()
        names = " and ".join(node.name for node in dead)
        self.say(f"Started {names} again.")
        self.wait_until_whole(mark.time)
        self.say(f"{names} streams again after {time.monotonic() - mark.time - WHOLE_FOR:.1f} s.")
        self.report(mark, None)

    def primary(self):
        name = self.members.leader()
        if name is None:
            raise Failed("no primary to act on")
        return self.cluster.node(name)

    def wait_for(self, condition, why, seconds):
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                raise Failed(f"not within {seconds} s: {why()}")
            self.pause(0.05)

    def wait_until_whole(self, start):
        """Waits for one leader, all others streaming, and writes, all of it for a moment without a break."""
        since = None
        while True:
            flaw, now = self.flaw(start), time.monotonic()
            since = None if flaw else since or now
            if since and now - since >= WHOLE_FOR:
                break
            if now - start > DEADLINE:
                raise Failed(f"the cluster is not whole after {DEADLINE} s: {flaw or 'it comes and goes'}")
            self.pause(0.05)
        if self.client.record.double:
            raise Failed(f"two primaries: {len(self.client.record.double)} rows were acknowledged on an older timeline")

    def flaw(self, start):
        for node in self.cluster.alive:
            if (code := node.exit_code()) is not None:
                raise Failed(f"the agent of {node.name} ended with code {code}")
            if node.postmaster() is None:
                return f"{node.name} has no postmaster"
        last = self.client.record.last()
        if last is None or last.acknowledged < max(start, time.monotonic() - 0.2):
            return "no write is acknowledged"
        return self.members.flaw({node.name for node in self.cluster.alive})

    def report(self, mark, former):
        """How long writes were refused, who took over, and why."""
        writes = self.client.record.since(mark.time)
        pause = writer.longest_pause(writes)
        leader = self.members.leader()
        if former is None:
            self.say(f"Writes went on (longest pause {pause.seconds * 1000:.0f} ms).")
            return
        self.say(f"Writes were refused for {pause.seconds:.2f} s.")
        lines = former.log_lines(mark.offsets[former.name]) if former.is_alive else []
        if words := [words for patterns in (GONE, RELEASED) if (words := decision(lines, patterns))]:
            self.say(f"{former.name} noticed: {'; '.join(words)}")
        if leader == former.name:
            self.say(f"{leader} stays the primary: PostgreSQL was restarted in place.")
        elif leader is not None:
            self.say(f"{leader} took over from {former.name}: {self.reason(mark, leader)}")
        rows = mark.writes(writes)
        missing = self.client.missing(rows, leader) if leader else 0
        loss = f"{missing} missing: replication is asynchronous here" if missing else "none missing"
        self.say(f"Rows acknowledged shortly before and since: {len(rows)}, {loss}.")

    def reason(self, mark, leader):
        """The new leader's own words, and the timeline's switch point."""
        words = decision(self.cluster.node(leader).log_lines(mark.offsets[leader]), TAKEN)
        history = self.history(leader)
        return "; ".join(part for part in (words, history) if part) or "see its log"

    def history(self, leader):
        """The last entry of /history, which the leader writes a moment after its promotion."""
        port = self.cluster.node(leader).rest_port
        timeline = next(row.timeline for row in self.members.picture() if row.name == leader)
        for _ in range(20):
            entries = watcher.get(port, "/history") or []
            if entries and timeline == entries[-1][0] + 1:
                return f"timeline {entries[-1][0]} ended at {watcher.lsn_text(entries[-1][1])}, {timeline} began"
            self.pause(0.1)
        return None


class Mark:
    """The moment before an action: what was written and logged until then."""

    margin = 2.0

    def __init__(self, director):
        self.time = time.monotonic()
        self.offsets = {node.name: node.log_size() for node in director.cluster.nodes}
        self.before = director.client.record.since(self.time - self.margin)

    def writes(self, later):
        """Those of the last seconds before the action and all later ones, each once."""
        return list({write.id: write for write in self.before + list(later)}.values())


def decision(lines, patterns):
    """The first message of the agent that matches the first pattern that any matches."""
    # PostgreSQL writes to the same file, with another format of the time.
    found = (re.match(r"\d{4}-\d\d-\d\d [\d:]+,\d+ [A-Z]+: (.*)", line) for line in lines)
    messages = [match[1].strip() for match in found if match]
    for pattern in patterns:
        for message in messages:
            if re.search(pattern, message):
                return f'"{message}"'
    return None
