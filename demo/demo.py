"""Three nodes, a client that writes, and ways to break things. Started by `make demo`."""

import argparse
import os
import select
import shlex
import shutil
import signal
import sys
import termios
import threading
import traceback
import tty

import actions
import cluster
import screen
import watcher
import writer


NEXT = """\
What to try next:
    docs/getting-started.md       two members by hand, from an empty folder
    docs/operations.md            what to do when ..., with what each command prints
    docs/migrating.md             a cluster that Patroni runs
    make demo TTL=3               a lost node is noticed sooner
"""


class Interrupted(Exception):
    """A signal said that it is time to end."""


def parse():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--programs", help="a folder with matriarch and matriarch-keeper")
    parser.add_argument("--postgres", default="/usr/lib/postgresql/15/bin", help="PostgreSQL's folder of programs")
    parser.add_argument("--zookeeper", help="host:port,... of an ensemble to use; one server is started otherwise")
    parser.add_argument("--agent", type=shlex.split, help="another agent's command, which gets the file's name")
    parser.add_argument("--ttl", type=int, default=6, help="seconds; Patroni needs 20")
    parser.add_argument("--script", action="store_true", help="plain lines, each action once, then end")
    return parser.parse_args()


class Demo:
    def __init__(self, options):
        self.ending = threading.Event()
        self.live = not options.script and sys.stdin.isatty() and sys.stdout.isatty()
        self.cluster = cluster.Cluster(options)
        self.members = watcher.Watcher(self.cluster)
        self.client = writer.Writer(self.cluster.nodes, self.cluster.secrets["superuser"])
        self.screen = screen.Live("Three nodes in " + self.cluster.folder) if self.live else screen.Plain()
        self.director = actions.Director(self.cluster, self.members, self.client, self.screen.say, self.pause)
        self.failure = None

    def pause(self, seconds):
        if self.ending.wait(seconds):
            raise Interrupted

    def introduce(self):
        say = self.screen.say
        say(f"Starting ZooKeeper and three nodes in {self.cluster.folder} ...")
        say(f"ttl {self.cluster.ttl} s, loop_wait 1 s: a lost node is noticed when its session ends.")
        say("primary_start_timeout 0: a crashed PostgreSQL fails over; by default it is restarted in place first.")

    def run_script(self):
        self.director.start_all()
        self.screen.say("The cluster is whole.")
        self.screen.table(self.members.picture())
        director = self.director
        for action in (director.switch_over, director.kill_postmaster, director.kill_node, director.bring_back):
            action()
            self.screen.table(self.members.picture())

    def run_live(self):
        """Reads keys and redraws, while a thread carries out one action at a time."""
        work = Work(self)
        work.start(self.start_live)
        keys = {
            "s": self.director.switch_over, "p": self.director.kill_postmaster, "n": self.director.kill_node,
            "b": self.director.bring_back}
        before = termios.tcgetattr(sys.stdin)
        try:
            tty.setcbreak(sys.stdin)
            while not self.ending.is_set() and self.failure is None:
                size = shutil.get_terminal_size()  # 80x24 where the terminal does not know
                self.screen.draw(self.members.picture(), self.client, work.is_busy, size.columns, size.lines)
                try:
                    ready = select.select([sys.stdin], [], [], 0.2)[0]
                except InterruptedError:
                    continue
                key = os.read(sys.stdin.fileno(), 1).decode(errors="replace").lower() if ready else None
                if key in ("q", ""):
                    break
                if key in keys and not work.is_busy:
                    work.start(keys[key])
        finally:
            termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)
        if self.failure is not None:
            raise self.failure

    def start_live(self):
        self.director.start_all()
        self.screen.say("The cluster is whole: press a key.")

    def show_logs(self):
        """What a failure leaves to read."""
        names = [(node.name, node.log) for node in self.cluster.nodes]
        names.append(("zookeeper", f"{self.cluster.logs}/zookeeper.log"))
        for name, path in names:
            if os.path.exists(path):
                with open(path, encoding="utf-8", errors="replace") as file:
                    print(f"--- the last lines of {name}'s log", *file.read().splitlines()[-25:], sep="\n    ")
        print(f"The logs are in {self.cluster.logs}")

    def clean_up(self, failed):
        self.ending.set()
        self.client.stop()
        self.members.stop()
        self.cluster.stop()
        self.cluster.remove(keep_logs=failed)


class Work:
    """One action at a time in a thread of its own."""

    def __init__(self, demo):
        self.demo = demo
        self.thread = None

    @property
    def is_busy(self):
        return self.thread is not None and self.thread.is_alive()

    def start(self, action):
        self.thread = threading.Thread(target=self.run, args=(action,), daemon=True, name="action")
        self.thread.start()

    def run(self, action):
        try:
            action()
        except Interrupted:
            pass
        except Exception as failure:  # shown by the main thread, which ends the demo
            self.demo.failure = failure


def main():
    demo = Demo(parse())
    signalled = []

    def end(number, _):
        if signalled:
            print("Already cleaning up, a moment please.", flush=True)
        signalled.append(number)
        demo.ending.set()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, end)

    failure = None
    try:
        demo.introduce()
        if demo.live:
            demo.run_live()
        else:
            demo.run_script()
    except Interrupted:
        pass
    except Exception as problem:  # whatever went wrong: show the logs and clean up
        failure = problem
    demo.screen.close()
    if failure is not None:
        if not isinstance(failure, actions.Failed):
            traceback.print_exception(failure)
        print(f"Failed: {failure}", flush=True)
        demo.show_logs()
    print("Stopping all that was started ...", flush=True)
    demo.clean_up(failed=failure is not None)
    if failure is not None:
        return 1
    print(NEXT, end="", flush=True)
    return 128 + signalled[0] if signalled and not demo.live else 0


if __name__ == "__main__":
    sys.exit(main())
