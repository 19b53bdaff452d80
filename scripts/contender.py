"""One product with a cluster of its own, as the benchmarks compare them: ours, or Patroni."""

import argparse
import os
import sys
import time
import urllib.error
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "demo"))
import cluster

POSTGRES = "/usr/lib/postgresql/15/bin"


class Contender:
    """A product, its ZooKeeper server, and as many members as are started."""

    def __init__(self, name, programs, patroni=None, ttl=20):
        """`programs` is the folder of ours; `patroni` is Patroni's program, to run it instead."""
        self.name = name
        self.patroni = patroni
        agent = [patroni] if patroni else None
        options = argparse.Namespace(
            postgres=POSTGRES, ttl=ttl, agent=agent, programs=None if patroni else programs, zookeeper=None)
        self.cluster = cluster.Cluster(options)
        self.nodes = []

    def start(self, members=1):
        """Returns when the first member is the primary and the others stream from it."""
        self.cluster.zookeeper.start()
        wait("ZooKeeper", self.cluster.zookeeper.serves)
        for node in self.cluster.nodes[:members]:
            self.nodes.append(node)
            node.start()
            # One after the other: the first one leads, for either product.
            target = "/primary" if len(self.nodes) == 1 else "/replica"
            wait(f"{self.name}'s {node.name}", lambda: self.answers(node, target))

    def answers(self, node, target):
        """True when the member says 200 to this health check; raises when its agent has ended."""
        if (code := node.exit_code()) is not None:
            raise RuntimeError(f"{self.name}'s {node.name} ended with code {code}: {node.log_lines()[-5:]}")
        try:
            return urllib.request.urlopen(self.url(node, target), timeout=2).status == 200
        except (urllib.error.URLError, OSError):
            return False

    def url(self, node, target):
        return f"http://127.0.0.1:{node.rest_port}{target}"

    def end(self):
        self.cluster.stop()
        self.cluster.remove(keep_logs=False)


def wait(what, is_there, seconds=90):
    end = time.monotonic() + seconds
    while not is_there():
        if time.monotonic() > end:
            raise RuntimeError(f"no {what} within {seconds} s")
        time.sleep(0.1)
