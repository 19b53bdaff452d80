"""The coordination service: a server of our own, or the user's."""

import socket
import subprocess

import configuration
import ports
import processes

JAVA = "/usr/bin/java"
CLASSES = "/usr/share/java/zookeeper.jar:/usr/share/java/slf4j-simple.jar"


class Embedded:
    """One ZooKeeper server from Debian's package, with its data in the demo's folder."""

    tick_time = 500  # milliseconds; a session lasts for 20 ticks at most

    def __init__(self, folder, log):
        self.folder = processes.make_folder(folder)
        self.log = log
        self.port = ports.free()
        self.hosts = f"127.0.0.1:{self.port}"
        self.process = None

    def start(self):
        data = processes.make_folder(f"{self.folder}/data")
        file = processes.write_file(f"{self.folder}/zoo.cfg", configuration.zookeeper(data, self.port, self.tick_time))
        options = ["-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dzookeeper.jmx.log4j.disable=true",
                   "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-Dorg.slf4j.simpleLogger.showDateTime=true"]
        server = "org.apache.zookeeper.server.quorum.QuorumPeerMain"
        command = [JAVA, *options, "-cp", CLASSES, server, file]
        self.process = processes.start(command, self.folder, self.log, self.folder)

    def serves(self):
        """True when the server answers; raises when it has ended."""
        if self.process.poll() is not None:
            raise RuntimeError(f"ZooKeeper ended with code {self.process.returncode}, see {self.log}")
        try:
            return "Mode:" in self.ask("srvr")
        except OSError:
            return False

    def ask(self, word):
        """The answer to one of ZooKeeper's words of four letters."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
            connection.sendall(word.encode())
            with connection.makefile(encoding="utf-8", errors="replace") as answer:
                return answer.read()

    def stop(self, scope):
        if self.process is not None:
            self.process.kill()
            self.process.wait()


class Foreign:
    """The user's ensemble: nothing is started, and our cluster's znodes are removed at the end."""

    def __init__(self, hosts):
        self.hosts = hosts
        self.used = False

    def start(self):
        self.used = True

    def serves(self):
        for host in self.hosts.split(","):
            name, _, port = host.rpartition(":")
            try:
                socket.create_connection((name.strip("[]"), int(port)), timeout=2).close()
                return True
            except OSError:
                pass
        return False

    def stop(self, scope):
        if not self.used:
            return
        client = "org.apache.zookeeper.ZooKeeperMain"
        command = [JAVA, "-Xmx64m", "-cp", CLASSES, client, "-server", self.hosts, "deleteall", f"/service/{scope}"]
        try:
            subprocess.run(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=20,
                check=True, start_new_session=True)
        except (OSError, subprocess.SubprocessError):
            print(f"Could not remove /service/{scope} from {self.hosts}: please do.")
