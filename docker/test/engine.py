"""A compose project on the machine's engine: starting, breaking, asking."""

import json
import os
import re
import signal
import subprocess
import sys
import time

PORTS = {"PRIMARY_PORT": 15000, "REPLICAS_PORT": 15001, "PORT_1": 15011, "PORT_2": 15012, "PORT_3": 15013}


class Failed(Exception):
    """What should hold does not."""


def say(words):
    print(words, flush=True)


def run(*command, within=120, check=True):
    """The output of a command, which ends in time."""
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=within)
    except subprocess.TimeoutExpired as error:
        raise Failed(f"{' '.join(command)} does not end within {within} s") from error
    if check and done.returncode:
        raise Failed(f"{' '.join(command)} ended with {done.returncode}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout


def eventually(words, within, look, pace=0.2):
    """The first true answer, and after how many seconds it came."""
    start, last = time.monotonic(), None
    while time.monotonic() - start < within:
        try:
            last = look()
            if last:
                return last, time.monotonic() - start
        except Failed as error:
            last = error
        time.sleep(pace)
    raise Failed(f"not within {within} s: {words} (last: {last})")


class Project:
    def __init__(self, file, folder):
        self.name = f"matriarch-test-{os.getpid()}"
        self.command = os.environ["COMPOSE"].split() + ["-p", self.name, "-f", f"{folder}/{file}"]
        os.environ.update({name: str(port) for name, port in PORTS.items()})

    def compose(self, *arguments, within=300):
        return run(*self.command, *arguments, within=within)

    def __enter__(self):
        return self

    def __exit__(self, kind, error, _):
        if error is not None:
            print(subprocess.run(self.command + ["logs", "--no-color", "--tail", "400"],
                                 stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout)
        subprocess.run(self.command + ["down", "--volumes", "--timeout", "1"],
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def container(self, service):
        """Its id, also when it is stopped."""
        label = "label=com.docker.compose."
        found = run("docker", "ps", "-aq", "--no-trunc", "--filter", f"{label}project={self.name}", "--filter",
                    f"{label}service={service}").split()
        if len(found) != 1:
            raise Failed(f"{len(found)} containers of {service}")
        return found[0]

    def inspect(self, service):
        return json.loads(run("docker", "inspect", self.container(service)))[0]

    def execute(self, service, *command, within=60):
        return run("docker", "exec", self.container(service), *command, within=within)

    def network(self, action, network, service):
        """Cuts a service off from a network, or joins it again under its names."""
        names = ["--alias", service, "--alias", f"{service}.{network}"] if action == "connect" else []
        run("docker", "network", action, *names, f"{self.name}_{network}", self.container(service))

    def members(self, cluster, ask):
        """By name, role and state of a cluster's members, as the command line of the member `ask` shows them."""
        rows = json.loads(self.execute(ask, "matriarchctl", "list", cluster, "--format", "json"))
        return {row["Member"]: (row["Role"], row["State"]) for row in rows}

    def leader(self, cluster, ask):
        members = self.members(cluster, ask)
        return next((name for name, shown in members.items() if shown == ("Leader", "running")), None)

    def whole(self, cluster, ask, count):
        """The leader's name, if all the others stream from it."""
        members = self.members(cluster, ask)
        states = sorted(state for _, state in members.values())
        return self.leader(cluster, ask) if states == ["running"] + ["streaming"] * (count - 1) else None

    def says_hello(self):
        """The service that greets a beginner found what it waits for."""
        eventually("hello has ended", 60, lambda: self.inspect("hello")["State"]["Status"] == "exited")
        code, words = self.inspect("hello")["State"]["ExitCode"], run("docker", "logs", self.container("hello"))
        # What it tells a beginner to type works as it stands; psql finds nothing to read.
        shown = re.findall(r"^ +docker-compose -f docker/\S+ exec (.*)", words, re.MULTILINE)
        if code or len(shown) != 3:
            raise Failed(f"hello ended with {code}: {words}")
        for command in shown:
            self.compose("exec", "-T", *command.split())

    def check_secrets(self, secrets):
        """No password is in what the engine knows, in a log, or in the arguments or the environment of a process."""
        seen = 0
        for container in run(*self.command, "ps", "-q").split():
            shown = run("docker", "inspect", container) + run("docker", "logs", container)
            for process in run("docker", "top", container, "-eo", "pid", check=False).split()[1:]:
                for file in ("cmdline", "environ"):
                    try:
                        with open(f"/proc/{process}/{file}", errors="replace") as text:
                            shown += text.read()
                    except FileNotFoundError:
                        pass  # it has ended
            for name, secret in secrets.items():
                if secret in shown:
                    raise Failed(f"the password {name} can be seen from outside of {container}")
            seen += shown.count("--agent-process")
        if not seen:
            raise Failed("the look for passwords does not see the processes")


def main(scenario):
    """Runs it; the exit code is 0 only if it ended well."""
    start = time.monotonic()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        scenario()
    except Failed as error:
        say(f"*** {error}")
        sys.exit(1)
    say(f"== done after {time.monotonic() - start:.0f} s")
