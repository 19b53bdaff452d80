"""What a member of a cluster costs at rest: its processes, its requests to ZooKeeper, its statements."""

import os
import re

import processes
from process_cost import ProcessCost


class MemberCost:
    """One member, counted from now on."""

    def __init__(self, contender, node):
        self.contender = contender
        self.node = node
        self.parts = {name: ProcessCost(pid) for name, pid in members_processes(contender, node).items()}
        self.before = self.requests()
        self.log_before = node.log_size()

    @property
    def agent(self):
        return self.parts["agent"]

    def look(self):
        for part in self.parts.values():
            part.look()

    def requests(self):
        """Of its connection to ZooKeeper: the session, packets received, and the number of the last request.

        A client numbers its requests one after the other, pings excepted.
        """
        ports = local_ports(self.agent.pid)
        for line in self.contender.cluster.zookeeper.ask("cons").splitlines():
            found = re.match(r" */127\.0\.0\.1:(\d+)\[\d\]\(.*recved=(\d+),.*sid=(\w+),.*lcxid=0x(\w+),", line)
            if found and int(found[1]) in ports:
                return found[3], int(found[2]), int(found[4], 16)
        raise RuntimeError(f"{self.contender.name}'s {self.node.name} has no connection to ZooKeeper")

    def requests_a_second(self):
        """Without pings, and with them."""
        session, received, number = self.requests()
        if session != self.before[0]:
            raise RuntimeError(f"{self.contender.name}'s {self.node.name} got another session while it was measured")
        seconds = self.agent.seconds()
        return (number - self.before[2]) / seconds, (received - self.before[1]) / seconds

    def statements_a_minute(self):
        """What PostgreSQL logged of them: log_statement is on for both products."""
        lines = self.node.log_lines(self.log_before)
        return sum(1 for line in lines if re.search(r"LOG:  (statement|execute [^:]*): ", line)) \
            / self.agent.seconds() * 60


def members_processes(contender, node):
    """The agent; with ours the supervisor, the keeper, and the keeper's child that looks after it."""
    if contender.patroni:
        return {"agent": node.process.pid}
    found = {"supervisor": node.process.pid}
    programs = {pid: os.path.basename(os.readlink(f"/proc/{pid}/exe")) for pid in node.census()}
    for pid, program in programs.items():
        if program == "matriarch":
            found["agent"] = pid
        elif program == "matriarch-keeper" and pid != node.process.pid:
            found["keeper's child" if programs.get(processes.parent(pid)) == program else "keeper"] = pid
    if missing := {"supervisor", "agent", "keeper"} - found.keys():
        raise RuntimeError(f"{node.name} has no {', '.join(sorted(missing))}")
    return found


def local_ports(pid):
    """Of the TCP connections of a process."""
    sockets = set()
    for descriptor in os.listdir(f"/proc/{pid}/fd"):
        try:
            sockets.add(os.readlink(f"/proc/{pid}/fd/{descriptor}"))
        except OSError:
            continue  # closed meanwhile
    ports = set()
    for table in ("tcp", "tcp6"):
        with open(f"/proc/{pid}/net/{table}", encoding="utf-8") as file:
            for fields in map(str.split, list(file)[1:]):
                if f"socket:[{fields[9]}]" in sockets:
                    ports.add(int(fields[1].rpartition(":")[2], 16))
    return ports
