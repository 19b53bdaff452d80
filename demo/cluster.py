"""The nodes of the demo: each an agent and a PostgreSQL server, in a folder of its own."""

import os
import re
import secrets
import shutil
import signal
import subprocess
import tempfile
import time

import configuration
import ports
import processes
import zookeeper


class Node:
    """One agent with its PostgreSQL."""

    def __init__(self, name, cluster):
        self.name = name
        self.cluster = cluster
        self.folder = processes.make_folder(f"{cluster.folder}/{name}")
        self.data = f"{self.folder}/data"
        self.sockets = processes.make_folder(f"{self.folder}/sockets")
        self.runtime = processes.make_folder(f"{self.folder}/run", 0o700)
        self.port = ports.free()
        self.rest_port = ports.free()
        self.log = f"{cluster.logs}/{name}.log"
        self.file = f"{self.folder}/{name}.yml"
        self.process = None

    @property
    def is_alive(self):
        """True while the demo wants this node to be up."""
        return self.process is not None

    def start(self):
        if not os.path.exists(self.file):
            processes.write_file(self.file, configuration.agent(self, self.cluster), 0o600)
        command = self.cluster.agent + [self.file]
        self.process = processes.start(command, self.folder, self.log, self.folder)

    def exit_code(self):
        """The agent's exit code; None while it runs or was never started."""
        return self.process.poll() if self.process else None

    def postmaster(self):
        """The process id of the postmaster; None when there is none."""
        try:
            with open(f"{self.data}/postmaster.pid", encoding="utf-8") as file:
                pid = int(file.readline())
        except (OSError, ValueError):
            return None
        return pid if self.is_postgres(pid) and not processes.is_zombie(pid) else None

    def is_postgres(self, pid):
        return processes.works_in(pid, self.data, {self.cluster.postgres})

    def is_working(self):
        """True while its agent or PostgreSQL runs. A keeper stays a little longer, in case an agent comes back."""
        if self.process is not None and self.process.poll() is None:
            return True
        return any(processes.works_in(pid, self.folder, {self.cluster.postgres}) for pid in processes.everyone())

    def census(self):
        """Every process of this node. Those that could react to the end of another come first: supervisor and agent,
        then PostgreSQL, then the keeper."""
        tree = processes.descendants(self.process.pid) if self.process and self.process.poll() is None else set()
        programs = (self.cluster.postgres, self.cluster.programs)
        groups = [tree] + [
            {pid for pid in processes.everyone() if processes.works_in(pid, self.folder, {folder})}
            for folder in programs]
        return [pid for pid in dict.fromkeys(pid for group in groups for pid in sorted(group))
                if not processes.is_zombie(pid)]

    def kill_postmaster(self):
        """SIGKILL of the postmaster alone. Returns its process id."""
        pid = self.postmaster()
        if pid is None:
            raise RuntimeError(f"{self.name} has no running postmaster")
        self.cluster.memory.note(pid)
        processes.kill([pid], self.is_postgres)
        return pid

    def kill(self):
        """SIGKILL of all that is this node: what a power cut does. Returns the number of processes hit at once."""
        if (postmaster := self.postmaster()) is not None:
            self.cluster.memory.note(postmaster)
        count = len(self.census())
        if not processes.kill_until_none(self.census):
            raise RuntimeError(f"processes of {self.name} do not die: {self.census()}")
        self.forget()
        return count

    def forget(self):
        if self.process is not None:
            self.process.wait(timeout=10)
            self.process = None

    def log_size(self):
        return os.path.getsize(self.log) if os.path.exists(self.log) else 0

    def log_lines(self, offset=0):
        try:
            with open(self.log, "rb") as file:
                file.seek(offset)
                return file.read().decode(errors="replace").splitlines()
        except OSError:
            return []


class SharedMemory:
    """What a killed PostgreSQL leaves behind in the system, to be removed at the end."""

    def __init__(self):
        self.start = int(time.time())
        self.postmasters = set()
        self.files = set()

    def note(self, postmaster):
        """To be called before the kill."""
        self.postmasters.add(postmaster)
        try:
            with open(f"/proc/{postmaster}/maps", encoding="utf-8", errors="replace") as file:
                self.files |= set(re.findall(r"/dev/shm/PostgreSQL\.\d+", file.read()))
        except OSError:
            pass

    def remove(self):
        """Removes segments that our postmasters made and that nobody has attached."""
        for path in self.files:
            try:
                os.unlink(path)
            except OSError:
                pass
        with open("/proc/sysvipc/shm", encoding="utf-8") as file:
            names = file.readline().split()
            segments = [dict(zip(names, line.split())) for line in file]
        for segment in segments:
            is_ours = int(segment["cpid"]) in self.postmasters and int(segment["ctime"]) >= self.start
            if is_ours and segment["nattch"] == "0":
                subprocess.run(["/usr/bin/ipcrm", "-m", segment["shmid"]], check=False, stderr=subprocess.DEVNULL)


class Cluster:
    """ZooKeeper and three nodes in one temporary folder."""

    # What benchmarks set otherwise, before they start anything.
    loop_wait = 1
    retry_timeout = 3
    parameters = {}  # of PostgreSQL, beside those of every node

    def __init__(self, options):
        self.folder = tempfile.mkdtemp(prefix="matriarch-demo-", dir="/tmp")
        os.chmod(self.folder, 0o755)
        processes.give_away(self.folder)
        self.logs = processes.make_folder(f"{self.folder}/logs")
        self.programs = processes.make_folder(f"{self.folder}/bin")
        self.postgres = os.path.realpath(options.postgres)
        self.scope = f"demo-{os.path.basename(self.folder).rpartition('-')[2]}"
        self.ttl = options.ttl
        self.secrets = {role: secrets.token_hex(12) for role in ("superuser", "replication", "rewind")}
        self.memory = SharedMemory()
        self.agent = options.agent or [f"{self.programs}/matriarch"]
        if options.programs:
            for name in os.listdir(options.programs):
                shutil.copy(f"{options.programs}/{name}", f"{self.programs}/{name}")
        if options.zookeeper:
            self.zookeeper = zookeeper.Foreign(options.zookeeper)
        else:
            self.zookeeper = zookeeper.Embedded(f"{self.folder}/zookeeper", f"{self.logs}/zookeeper.log")
        self.nodes = [Node(f"node{number}", self) for number in (1, 2, 3)]

    @property
    def alive(self):
        return [node for node in self.nodes if node.is_alive]

    def node(self, name):
        return next(node for node in self.nodes if node.name == name)

    def stop(self, patience=15):
        """Ends everything: politely, then by force."""
        for node in self.nodes:
            if (postmaster := node.postmaster()) is not None:
                self.memory.note(postmaster)
            if node.process is not None and node.process.poll() is None:
                node.process.send_signal(signal.SIGTERM)
        end = time.monotonic() + patience
        while time.monotonic() < end and any(node.is_working() for node in self.nodes):
            time.sleep(0.05)
        for node in self.nodes:
            processes.kill_until_none(node.census)
            node.forget()
        self.zookeeper.stop(self.scope)
        self.memory.remove()

    def remove(self, keep_logs):
        """Removes the folder; all but the logs when they are still wanted."""
        if not keep_logs:
            shutil.rmtree(self.folder, ignore_errors=True)
            return
        for entry in os.listdir(self.folder):
            if entry != "logs":
                shutil.rmtree(f"{self.folder}/{entry}", ignore_errors=True)
