"""Two clusters of one node each, ours and Patroni's, asked by wrk one after the other; see scripts/bench-rest."""

import argparse
import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "demo"))
import cluster

CONNECTIONS = 64
TARGETS = ("/primary", "/patroni")
UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0}


class Contender:
    """One product with its cluster."""

    def __init__(self, name, programs, agent):
        self.name = name
        options = argparse.Namespace(
            postgres="/usr/lib/postgresql/15/bin", ttl=20, agent=agent, programs=programs, zookeeper=None)
        self.cluster = cluster.Cluster(options)
        self.node = self.cluster.nodes[0]

    def url(self, target):
        return f"http://127.0.0.1:{self.node.rest_port}{target}"

    def start(self):
        self.cluster.zookeeper.start()
        wait("ZooKeeper", self.cluster.zookeeper.serves)
        self.node.start()
        wait(f"{self.name}'s primary", self.is_primary)

    def is_primary(self):
        if (code := self.node.exit_code()) is not None:
            raise RuntimeError(f"{self.name} ended with code {code}: {self.node.log_lines()[-5:]}")
        try:
            return urllib.request.urlopen(self.url("/primary"), timeout=2).status == 200
        except (urllib.error.URLError, OSError):
            return False

    def lateness(self):
        """The histogram of late renewals so far: how many at most so late, by the bound's text."""
        text = urllib.request.urlopen(self.url("/metrics"), timeout=5).read().decode()
        found = re.findall(r'matriarch_lease_renewal_delay_seconds_bucket\{.*le="(.*?)"\} (\d+)', text)
        return {bound: int(count) for bound, count in found}

    def measure(self, target, seconds):
        """Requests per second and the 99th percentile in seconds."""
        command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--latency", "--timeout", "10s", self.url(target)]
        output = subprocess.run(command, capture_output=True, text=True, check=True, timeout=seconds + 60).stdout
        rate = float(re.search(r"Requests/sec:\s+([\d.]+)", output)[1])
        value, unit = re.search(r"99%\s+([\d.]+)(us|ms|s|m)\b", output).groups()
        if problem := re.search(r"Non-2xx or 3xx responses: \d+", output):
            print(f"{self.name} {target}: {problem[0]}")
        return rate, float(value) * UNITS[unit]


def wait(what, is_there, seconds=90):
    end = time.monotonic() + seconds
    while not is_there():
        if time.monotonic() > end:
            raise RuntimeError(f"no {what} within {seconds} s")
        time.sleep(0.1)


def late_text(before, after):
    counts = {bound: after[bound] - before.get(bound, 0) for bound in after}
    total = counts.get("+Inf", 0)
    worst = next((bound for bound, count in counts.items() if count == total), "+Inf")
    return f"{total} renewals, none later than {worst} s"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--programs", required=True)
    parser.add_argument("--patroni", required=True)
    parser.add_argument("--seconds", type=int, required=True)
    options = parser.parse_args()
    ours = Contender("Matriarch", options.programs, None)
    theirs = Contender("Patroni", None, [options.patroni])
    try:
        for contender in (ours, theirs):
            contender.start()
        idle = ours.lateness()
        time.sleep(options.seconds)
        print(f"Lease while idle: {late_text(idle, ours.lateness())}")
        for target in TARGETS:
            before = ours.lateness()
            rate, slow = ours.measure(target, options.seconds)
            lateness = late_text(before, ours.lateness())
            their_rate, their_slow = theirs.measure(target, options.seconds)
            print(f"{target:<9} Matriarch {rate:8.0f}/s, p99 {slow * 1000:7.2f} ms   "
                  f"Patroni {their_rate:8.0f}/s, p99 {their_slow * 1000:7.2f} ms   "
                  f"{rate / their_rate:5.1f} times as many, p99 {slow / their_slow:.3f} of theirs")
            print(f"          Lease meanwhile: {lateness}")
    finally:
        for contender in (ours, theirs):
            contender.cluster.stop()
            contender.cluster.remove(keep_logs=False)


main()
