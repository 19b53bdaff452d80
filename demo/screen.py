"""The live table on a terminal, and plain lines everywhere else."""

import sys
import textwrap
import threading
import time

WIDTHS = (8, 13, 24, 9, 14, 10)
TITLES = ("member", "role", "state", "timeline", "LSN", "lag", "since")
KEYS = "[s] switchover   [p] kill -9 the primary's postmaster   [n] kill its node   [b] bring it back   [q] quit"
COLOURS = {"leader": "\033[32m", "killed": "\033[31m", "no answer": "\033[31m", "streaming": "\033[36m"}


def cells(row, now):
    seconds = int(now - row.since)
    age = f"{seconds} s" if seconds < 120 else f"{seconds // 60} min"
    lag = "" if row.lag is None else f"{row.lag} B" if isinstance(row.lag, int) else str(row.lag)
    since = time.strftime("%H:%M:%S", time.localtime(row.since)) + f" ({age})"
    return (row.name, row.role, row.state, str(row.timeline or ""), row.lsn or "", lag, since)


def line(values):
    return " ".join(value[:width].ljust(width) for value, width in zip(values, WIDTHS)) + " " + values[-1]


class Plain:
    """Lines with the time, for pipes and CI."""

    def __init__(self):
        self.lock = threading.Lock()

    def say(self, text):
        with self.lock:
            print(time.strftime("%H:%M:%S"), text, flush=True)

    def table(self, rows):
        now = time.time()
        with self.lock:
            print("\n".join("    " + text.rstrip() for text in [line(TITLES)] + [line(cells(row, now)) for row in rows]),
                  flush=True)

    def close(self):
        pass


class Live:
    """Redraws in place. What was said is printed once more at the end, where it stays."""

    def __init__(self, title):
        self.title = title
        self.said = []
        self.lock = threading.Lock()
        sys.stdout.write("\033[?1049h\033[?25l\033[2J")

    def say(self, text):
        with self.lock:
            self.said.append(f"{time.strftime('%H:%M:%S')} {text}")

    def draw(self, rows, client, busy, columns, height):
        now = time.time()
        lines = [f"\033[1m{self.title}\033[0m", "", f"\033[4m{line(TITLES)[:columns]}\033[0m"]
        for row in rows:
            colour = COLOURS.get(row.role) or COLOURS.get(row.state) or ""
            colour = COLOURS[row.state] if row.state in ("killed", "no answer") else colour
            lines.append(f"{colour}{line(cells(row, now))[:columns]}\033[0m")
        last = client.record.last()
        pause = time.monotonic() - last.acknowledged if last else 0
        refused = f", none for {pause:.1f} s" if last and pause > 0.1 else ""
        where = f" by {last.node}" if last else ""
        lines += ["", f"writes: {client.record.total} acknowledged, {client.record.rate()} a second{where}{refused}"]
        lines += ["", ("working ..." if busy else KEYS)[:columns], ""]
        with self.lock:
            said = [part for text in self.said for part in textwrap.wrap(text, columns, subsequent_indent=" " * 9)]
        lines += said[-max(1, height - len(lines) - 1):]
        sys.stdout.write("\033[H" + "".join(f"{text}\033[K\r\n" for text in lines) + "\033[J")
        sys.stdout.flush()

    def close(self):
        sys.stdout.write("\033[?25h\033[?1049l")
        with self.lock:
            sys.stdout.write("".join(f"{text}\n" for text in self.said))
        sys.stdout.flush()
