"""compose.spock.yml: three zones replicate to one another while a primary is killed and a zone is cut off."""

import os
import time

from client import Client, Failed, dsn, query
from engine import PORTS, Project, eventually, main, say

ZONES = (1, 2, 3)
TABLE = "CREATE TABLE rows (kind text, number bigint, PRIMARY KEY (kind, number))"
REPLICATED = "SELECT count(*) FROM spock.tables WHERE relname = 'rows' AND set_name = 'default'"
SLOTS = "SELECT count(*) FROM pg_replication_slots WHERE slot_type = 'logical'"
LINKS = "SELECT count(*) FROM spock.sub_show_status() WHERE status = 'replicating'"


class Mesh:
    def __init__(self, project):
        self.project = project
        self.clients = {}

    def start(self):
        began = time.monotonic()
        self.project.compose("up", "-d", "--no-build")
        for zone in ZONES:
            eventually(f"zone{zone} has a leader", 120,
                       lambda: self.project.leader(f"zone{zone}", "zone1a"))
        say(f"time to the last zone's first leader: {time.monotonic() - began:.1f} s after `up` began")
        names = ("superuser", "replication", "rewind", "restapi")
        self.secrets = {
            name: self.project.execute("zone1a", "cat", f"/run/secrets/{name}").strip() for name in names}
        self.at = {zone: dsn(self.secrets["superuser"], PORTS[f"PORT_{zone}"]) for zone in ZONES}
        self.replicates("from nothing")
        say(f"each zone takes changes from each other {time.monotonic() - began:.1f} s after `up` began")
        for zone in ZONES:
            query(self.at[zone], TABLE)
        for zone in ZONES:
            eventually(f"zone {zone} replicates the table", 60, lambda: query(self.at[zone], REPLICATED)[0][0])
        for zone in ZONES:
            self.clients[zone] = Client(self.at[zone], f"zone{zone}")
            self.clients[zone].start()
        for zone in ZONES:
            self.goes_on(zone, "from nothing")

    def replicates(self, words, zones=ZONES):
        for zone in zones:
            eventually(f"zone {zone} is whole {words}", 120,
                       lambda: self.project.whole(f"zone{zone}", f"zone{zones[0]}a", 2))
            eventually(f"zone {zone} takes changes from both others {words}", 120,
                       lambda: query(self.at[zone], LINKS)[0][0] == 2)

    def goes_on(self, zone, words, to=ZONES, within=60):
        """Rows that a zone acknowledges from now on reach these zones."""
        client = self.clients[zone]
        before = len(client.acknowledged)
        eventually(f"zone {zone} takes rows {words}", within, lambda: len(client.acknowledged) > before)
        number = client.acknowledged[-1][0]
        row = f"SELECT count(*) FROM rows WHERE kind = 'zone{zone}' AND number = {number}"
        for peer in to:
            eventually(f"row {number} of zone {zone} is in zone {peer} {words}", within,
                       lambda: query(self.at[peer], row)[0][0])

    def has_slots(self, standby):
        """Before it has copies of its leader's slots a failover to it leaves the peers without: a resync is due then."""
        def copied():
            try:
                return self.project.execute(standby, "psql", "-Atc", SLOTS, within=10).strip() == "4"
            except Failed:  # It copies them as it starts again.
                return False

        eventually(f"{standby} has the slots of its peers", 120, copied)

    def kill(self):
        leader = self.project.leader("zone1", "zone2a")
        self.has_slots("zone1b" if leader == "zone1a" else "zone1a")
        client = self.clients[1]
        client.breaks()
        self.project.compose("kill", leader)
        say(f"time to fail over of zone 1 from a killed container: {client.fails_over():.1f} s without a row")
        self.goes_on(1, "after its primary was killed")
        for zone in (2, 3):
            self.goes_on(zone, "after zone 1 failed over")
        self.project.compose("start", leader)
        self.replicates(f"with {leader} started again")

    def cut(self):
        """Zone 3 keeps its own network and loses the one to the others, and with it ZooKeeper's majority."""
        parts = ["zk3", "zone3a", "zone3b"]
        leader = self.project.leader("zone3", "zone1a")
        moment = time.monotonic()
        for part in parts:
            self.project.network("disconnect", "zones", part)
        row = "INSERT INTO rows VALUES ('probe', extract(epoch FROM clock_timestamp()) * 1000000)"

        def refuses():
            try:
                self.project.execute(leader, "psql", "-Atc", row, within=10)
            except Failed:
                return True
            return False

        eventually(f"{leader}, cut off, takes no rows", 60, refuses)
        silent = len(self.clients[3].acknowledged)
        last = self.clients[3].acknowledged[-1][1]
        say(f"zone 3 acknowledged its last row {last - moment:.1f} s after the cut began")
        for zone in (1, 2):
            self.goes_on(zone, "without zone 3", to=(1, 2))
        if len(self.clients[3].acknowledged) != silent:
            raise Failed("zone 3, cut off, acknowledged rows after its primary had stopped")
        for part in parts:
            self.project.network("connect", "zones", part)
        moment = time.monotonic()
        self.goes_on(3, "after it was joined again", within=120)
        say(f"a row of zone 3 was everywhere {time.monotonic() - moment:.1f} s after it was joined again")
        self.replicates("with zone 3 joined again")

    def equal(self):
        """Every zone has the same rows, among them all that were acknowledged anywhere."""
        count = "SELECT count(*), md5(string_agg(kind || number, ',' ORDER BY kind, number)) FROM rows"
        _, took = eventually("all zones have the same rows", 60,
                             lambda: len({query(self.at[zone], count, within=20)[0] for zone in ZONES}) == 1)
        rows = query(self.at[1], count)[0][0]
        say(f"the three zones have the same {rows} rows {took:.1f} s after the last was written")
        for client in self.clients.values():
            client.check_order()
            lost = client.lost(self.at[1])
            if lost:
                raise Failed(f"{len(lost)} acknowledged rows of {client.kind} are lost: {sorted(lost)[:10]}")
        say(f"none of {sum(len(client.acknowledged) for client in self.clients.values())} acknowledged rows is lost")


def scenario():
    with Project("compose.spock.yml", os.path.dirname(os.path.dirname(os.path.abspath(__file__)))) as project:
        mesh = Mesh(project)
        mesh.start()
        mesh.kill()
        mesh.cut()
        for client in mesh.clients.values():
            client.stop()
        mesh.equal()
        project.says_hello()
        project.check_secrets(mesh.secrets)


if __name__ == "__main__":
    main(scenario)
