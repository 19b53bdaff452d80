"""Two clusters of one node each, ours and Patroni's, asked by wrk one after the other; see scripts/bench-rest."""

import argparse
import re
import subprocess
import time
import urllib.request

from contender import Contender

CONNECTIONS = 64
TARGETS = ("/primary", "/patroni")
UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0}


def lateness(contender):
    """The histogram of late renewals so far: how many at most so late, by the bound's text."""
    text = urllib.request.urlopen(contender.url(contender.nodes[0], "/metrics"), timeout=5).read().decode()
    found = re.findall(r'matriarch_lease_renewal_delay_seconds_bucket\{.*le="(.*?)"\} (\d+)', text)
    return {bound: int(count) for bound, count in found}


def measure(contender, target, seconds):
    """Requests per second and the 99th percentile in seconds."""
    url = contender.url(contender.nodes[0], target)
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--latency", "--timeout", "10s", url]
    output = subprocess.run(command, capture_output=True, text=True, check=True, timeout=seconds + 60).stdout
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", output)[1])
    value, unit = re.search(r"99%\s+([\d.]+)(us|ms|s|m)\b", output).groups()
    if problem := re.search(r"Non-2xx or 3xx responses: \d+", output):
        print(f"{contender.name} {target}: {problem[0]}")
    return rate, float(value) * UNITS[unit]


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
    ours = Contender("Matriarch", options.programs)
    theirs = Contender("Patroni", options.programs, options.patroni)
    try:
        for contender in (ours, theirs):
            contender.start()
        idle = lateness(ours)
        time.sleep(options.seconds)
        print(f"Lease while idle: {late_text(idle, lateness(ours))}")
        for target in TARGETS:
            before = lateness(ours)
            rate, slow = measure(ours, target, options.seconds)
            late = late_text(before, lateness(ours))
            their_rate, their_slow = measure(theirs, target, options.seconds)
            print(f"{target:<9} Matriarch {rate:8.0f}/s, p99 {slow * 1000:7.2f} ms   "
                  f"Patroni {their_rate:8.0f}/s, p99 {their_slow * 1000:7.2f} ms   "
                  f"{rate / their_rate:5.1f} times as many, p99 {slow / their_slow:.3f} of theirs")
            print(f"          Lease meanwhile: {late}")
    finally:
        for contender in (ours, theirs):
            contender.end()


main()
