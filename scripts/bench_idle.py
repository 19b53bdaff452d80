"""Three members of ours and three of Patroni's, left at rest side by side; see scripts/bench-idle."""

import argparse
import json
import os
import time
import urllib.request

from contender import Contender
from member_cost import MemberCost

MEMBERS = 3
HELPERS_OF_OURS = ("keeper", "keeper's child", "supervisor")
PRIVATE, PRIVATE_HELPERS, WAKEUPS, REQUESTS = 15.0, 1.0, 10.0, 2.0  # MiB, MiB, a second, a second


def prepare(contender):
    """Patroni's defaults; every statement is logged, to be counted."""
    contender.cluster.loop_wait = 10
    contender.cluster.retry_timeout = 10
    contender.cluster.parameters = {"log_statement": "all"}
    contender.cluster.zookeeper.tick_time = 2000


def set_loop_wait(contender, seconds):
    request = urllib.request.Request(
        contender.url(contender.nodes[0], "/config"), json.dumps({"loop_wait": seconds}).encode(), method="PATCH")
    with urllib.request.urlopen(request, timeout=10) as answer:
        if json.load(answer).get("loop_wait") != seconds:
            raise RuntimeError(f"{contender.name} did not take loop_wait: {seconds}")


def measure(contenders, settle, seconds):
    """The cost of each member over the same seconds."""
    time.sleep(settle)
    costs = {contender.name: [MemberCost(contender, node) for node in contender.nodes] for contender in contenders}
    everyone = [cost for members in costs.values() for cost in members]
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        time.sleep(min(1, left))
        for cost in everyone:
            cost.look()
    for contender in contenders:
        for node in contender.nodes:
            target = "/primary" if node is contender.nodes[0] else "/replica"
            if not contender.answers(node, target):
                raise RuntimeError(f"{contender.name}'s {node.name} was not at rest: no 200 on {target} any more")
    return {name: [figures(cost) for cost in members] for name, members in costs.items()}


def figures(cost):
    """All numbers of one member, taken at one time."""
    parts = {name: {"memory": part.memory(), "cpu": part.cpu_a_minute(), "wakeups": part.wakeups_a_second()}
             for name, part in cost.parts.items()}
    requests, packets = cost.requests_a_second()
    return {**parts, "requests": requests, "packets": packets, "statements": cost.statements_a_minute()}


def print_costs(title, costs, threads):
    print(f"\n{title}\n\n| process | private MiB | PSS | RSS | CPU s a minute | wake-ups/s "
          "| ZooKeeper requests/s | with pings | statements a minute |\n|---|---|---|---|---|---|---|---|---|")
    for name, members in costs.items():
        for number, member in enumerate(members):
            role = "leader" if number == 0 else f"replica {number}"
            for part in parts(member):
                cost = member[part]
                private, proportional, resident = cost["memory"]
                line = (f"| {name}, {role}: {part} | {private:.2f} | {proportional:.1f} | {resident:.1f} "
                        f"| {cost['cpu']:.4f} | {sum(cost['wakeups'].values()):.1f} |")
                if part == "agent":
                    line += f" {member['requests']:.2f} | {member['packets']:.2f} | {member['statements']:.1f} |"
                else:
                    line += " | | |"
                print(line)
                if threads:
                    print("  " + ", ".join(f"{thread} {rate:.2f}" for thread, rate in cost["wakeups"].items() if rate))


def print_limits(defaults, fast):
    """Each limit with the worst member's number. A number above it is told, not failed: the machine may be busy."""
    ours, theirs = defaults["Matriarch"], defaults["Patroni"]
    lines = []

    def limit(what, value, most, unit):
        lines.append(f"| {what} | {value:.3f} {unit} | {most:.3f} {unit} | {'yes' if value <= most else '**no**'} |")

    limit("private memory of an agent", max(m["agent"]["memory"][0] for m in ours), PRIVATE, "MiB")
    limit("private memory of supervisor and keeper together",
          max(sum(m[part]["memory"][0] for part in parts(m)[1:]) for m in ours), PRIVATE_HELPERS, "MiB")
    limit("wake-ups of an agent", max(sum(m["agent"]["wakeups"].values()) for m in ours), WAKEUPS, "a second")
    limit("ZooKeeper requests of a member, with pings", max(m["packets"] for m in ours), REQUESTS, "a second")
    for role, members in (("the leader", slice(0, 1)), ("a replica", slice(1, None))):
        limit(f"CPU of {role} with its helpers: Patroni's", cpu(ours[members]), cpu(theirs[members]), "s a minute")
        limit(f"CPU of {role} at loop_wait 1: a third of Patroni's", cpu(fast["Matriarch"][members]),
              cpu(fast["Patroni"][members]) / 3, "s a minute")
    print("\n| what | measured | limit | met |\n|---|---|---|---|")
    print("\n".join(lines))


def cpu(members):
    """Of an agent with its helpers, the mean of these members."""
    return sum(member[part]["cpu"] for member in members for part in parts(member)) / len(members)


def parts(member):
    """The names of a member's processes; the agent comes first."""
    return [part for part in ("agent",) + HELPERS_OF_OURS if part in member]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--programs", required=True)
    parser.add_argument("--patroni", required=True)
    parser.add_argument("--seconds", type=int, required=True)
    parser.add_argument("--settle", type=int, required=True)
    parser.add_argument("--threads", action="store_true", help="tell each thread's wake-ups, too")
    options = parser.parse_args()
    contenders = [Contender("Matriarch", options.programs, ttl=30),
                  Contender("Patroni", options.programs, options.patroni, ttl=30)]
    try:
        for contender in contenders:
            prepare(contender)
            contender.start(MEMBERS)
        print(f"Load before: {os.getloadavg()[0]:.1f}", flush=True)
        defaults = measure(contenders, options.settle, options.seconds)
        print_costs("At the defaults (ttl 30, loop_wait 10, retry_timeout 10):", defaults, options.threads)
        for contender in contenders:
            set_loop_wait(contender, 1)
        fast = measure(contenders, options.settle, options.seconds)
        print_costs("With loop_wait 1:", fast, options.threads)
        print_limits(defaults, fast)
        print(f"Load after: {os.getloadavg()[0]:.1f}")
    finally:
        for contender in contenders:
            contender.end()


main()
