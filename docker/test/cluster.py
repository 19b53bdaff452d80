"""compose.yml: a cluster of three is started, and its primary killed, cut off and stopped while a client writes."""

import os
import time

from client import Client, Visitor, dsn, query
from engine import PORTS, Failed, Project, eventually, main, say

MEMBERS = ["member1", "member2", "member3"]
# Seconds until HAProxy has given up a container that is gone and the engine's names no longer know it.
GONE = 20
TABLE = "CREATE TABLE rows (kind text, number bigint, PRIMARY KEY (kind, number))"


class Cluster:
    def __init__(self, project):
        self.project = project
        self.secrets = {}

    def start(self):
        began = time.monotonic()
        self.project.compose("up", "-d", "--no-build")
        eventually("there is a leader", 120, lambda: self.project.leader("shop", "member1"))
        say(f"time to first leader: {time.monotonic() - began:.1f} s after `up` began")
        self.whole("from nothing")
        for name in ("superuser", "replication", "rewind", "restapi"):
            self.secrets[name] = self.project.execute("member1", "cat", f"/run/secrets/{name}").strip()
        self.primary = dsn(self.secrets["superuser"], PORTS["PRIMARY_PORT"])
        self.replicas = dsn(self.secrets["superuser"], PORTS["REPLICAS_PORT"])
        eventually("HAProxy leads to the primary", 30, lambda: query(self.primary, "SELECT 1"))
        query(self.primary, TABLE)
        eventually("HAProxy leads to a replica", 30, lambda: query(self.replicas, "SELECT pg_is_in_recovery()")[0][0])

    def whole(self, words, ask="member1"):
        leader, took = eventually(
            f"a leader and two that stream, {words}", 90, lambda: self.project.whole("shop", ask, len(MEMBERS)))
        say(f"whole {words} after {took:.1f} s: {leader} leads")
        return leader

    def another(self, name):
        return next(member for member in MEMBERS if member != name)

    def again(self, leader):
        """Starts a member that led. Nobody who looks for the primary is led to it, also not before its first check."""
        time.sleep(GONE)
        visitor = Visitor(self.primary)
        visitor.start()
        self.project.compose("start", leader)
        now = self.whole(f"with {leader} started again", self.another(leader))
        time.sleep(3)  # HAProxy asks for names, and checks, each second
        visitor.stop()
        if visitor.visits[True] or not visitor.visits[False]:
            raise Failed(f"HAProxy led to a primary and to a standby in its place: {visitor.visits[False]} and "
                         f"{visitor.visits[True]} times, when {leader} was started again")
        return now

    def healthy(self):
        for member in MEMBERS + ["zk1", "zk2", "zk3"]:
            eventually(f"{member} is healthy", 60,
                       lambda: self.project.inspect(member)["State"]["Health"]["Status"] == "healthy")

    def kill(self, client):
        leader = self.project.leader("shop", "member1")
        client.breaks()
        self.project.compose("kill", leader)
        say(f"time to fail over from a killed container: {client.fails_over():.1f} s without an acknowledged row")
        if self.again(leader) == leader:
            raise Failed(f"{leader} leads again although it was killed")

    def cut(self, client):
        leader = self.project.leader("shop", "member1")
        networks = self.project.inspect(leader)["NetworkSettings"]["Networks"]
        address = networks[f"{self.project.name}_cluster"]["IPAddress"]
        old = Client(dsn(self.secrets["superuser"], 5432, address), "beside the proxy")
        old.start()
        eventually("the primary itself takes rows", 10, lambda: len(old.acknowledged) > 5)
        moment = client.breaks()
        self.project.network("disconnect", "zookeeper", leader)
        say(f"time to fail over from a primary cut off from ZooKeeper: {client.fails_over():.1f} s")
        old.stop()
        first = next(at for _, at, timeline in client.acknowledged if timeline == client.acknowledged[-1][2])
        last = old.acknowledged[-1][1]
        say(f"it stopped being writable {last - moment:.1f} s after the cut, {first - last:.1f} s before its successor")
        if last > first:
            raise Failed(f"{leader}, cut off, acknowledged a row after its successor had")
        if old.lost(self.primary):
            raise Failed(f"{len(old.lost(self.primary))} rows that {leader} acknowledged are lost")
        self.project.network("connect", "zookeeper", leader)
        self.whole(f"with {leader} joined again", self.another(leader))

    def stop(self, client):
        leader = self.project.leader("shop", "member1")
        moment = client.breaks()
        self.project.compose("stop", leader)
        took = time.monotonic() - moment
        state = self.project.inspect(leader)["State"]
        if state["ExitCode"] or took > 60:
            raise Failed(f"{leader} ended with {state['ExitCode']} after {took:.0f} s")
        say(f"time to hand over on `stop`: {client.fails_over():.1f} s without an acknowledged row")
        self.again(leader)


def scenario():
    with Project("compose.yml", os.path.dirname(os.path.dirname(os.path.abspath(__file__)))) as project:
        cluster = Cluster(project)
        cluster.start()
        project.says_hello()
        cluster.healthy()
        client = Client(cluster.primary, "through the proxy")
        client.start()
        eventually("rows are acknowledged", 30, lambda: len(client.acknowledged) > 20)
        for fault in (cluster.kill, cluster.cut, cluster.stop):
            fault(client)
        client.stop()
        client.check_order()
        lost = client.lost(cluster.primary)
        if lost:
            raise Failed(f"{len(lost)} of {len(client.acknowledged)} acknowledged rows are lost: {sorted(lost)[:10]}")
        say(f"none of {len(client.acknowledged)} acknowledged rows is lost")
        project.check_secrets(cluster.secrets)


if __name__ == "__main__":
    main(scenario)
