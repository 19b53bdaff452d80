#!/usr/bin/python3
"""run_docs.py FOLDER PAGE...: runs the blocks of pages in order, in one shell, and compares what they print.

Numbers, positions in WAL, dates, and the widths of tables may differ; `...` in a line stands for anything, a line of `...`
for any lines. A page that prints something else has to be corrected: the running program is right.
"""

import os
import re
import subprocess
import sys
import time

import documents

PATIENCE = int(os.environ.get("PATIENCE", 60))  # seconds until a command marked "run until" has to print what the page shows
LIMIT = 120  # seconds that any command may take
END = "--- end of command"


class Failed(Exception):
    """A command did not do what the page says."""


class Shell:
    """One bash for the whole page, so that variables and jobs live on."""

    def __init__(self, folder):
        # Jobs that go on in the background keep its output open: each command's own goes to a file.
        self.output = f"{folder}/.output"
        self.process = subprocess.Popen(
            ["/bin/bash", "--norc", "--noprofile"], cwd=folder, text=True, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def run(self, command):
        """Exit code and lines."""
        # A shell that reads its commands line by line must not lend this input to them.
        self.process.stdin.write(
            f"{{ {command}\n}} >{self.output} 2>&1 </dev/null\necho '{END}' $?\n")
        self.process.stdin.flush()
        start = time.monotonic()
        for line in self.process.stdout:
            if line.startswith(END):
                with open(self.output, encoding="utf-8", errors="replace") as file:
                    return int(line.split()[-1]), file.read().rstrip("\n").split("\n")
            if time.monotonic() - start > LIMIT:
                break
        raise Failed(f"the shell ended, or it takes longer than {LIMIT} s: {command}")


def normal(line):
    """What must be equal: words, but not numbers."""
    line = re.sub(r"\b[0-9A-F]+/[0-9A-F]+\b", "0", line.rstrip())
    line = re.sub(r"0x[0-9a-f]+", "0", line)
    line = re.sub(r"\d+", "0", line)
    line = re.sub(r"[-+]{2,}", "-", line)
    return re.sub(r" +", " ", line)


def pattern(lines):
    """A regular expression for lines of a page."""
    parts = []
    for line in lines:
        if line.strip() == "...":
            parts.append(r"(?:.*\n)*?")
        else:
            words = [re.escape(normal(word) if word.strip() else word) for word in re.split(r"\.\.\.", line)]
            parts.append(".*".join(words).rstrip() + r"\n")
    return re.compile("".join(parts))


def matches(expected, printed):
    text = "".join(normal(line) + "\n" for line in printed)
    return pattern([normal(line) for line in expected]).fullmatch(text) is not None


def run_block(shell, block):
    for command, expected in block.commands():
        end = time.monotonic() + (PATIENCE if block.mark == "run until" else 0)
        while True:
            code, printed = shell.run(command)
            if expected is None and code == 0 or expected is not None and matches(expected or [""], printed):
                break
            if time.monotonic() > end:
                shown = [] if expected is None else ["--- the page says", *expected]
                raise Failed("\n".join([f"$ {command}", *printed, f"--- exit code {code}", *shown]))
            time.sleep(0.5)


def run_page(shell, page):
    """Raises on the first command that does something else."""
    with open(page, encoding="utf-8") as file:
        blocks = [block for block in documents.blocks(file.read()) if block.mark in ("run", "run until")]
    if not blocks:
        raise Failed(f"{page}: no block is marked to be run")
    start = time.monotonic()
    for block in blocks:
        if os.environ.get("VERBOSE"):
            print(f"{time.monotonic() - start:6.1f} s  line {block.line}", flush=True)
        try:
            run_block(shell, block)
        except Failed as failure:
            raise Failed(f"{page}:{block.line}: a command does not do what the page says\n{failure}") from None
    print(f"{page}: {len(blocks)} blocks run in {time.monotonic() - start:.0f} s", flush=True)


def main():
    folder, *pages = sys.argv[1:]
    shell = Shell(folder)
    try:
        for page in pages:
            run_page(shell, page)
    except Failed as failure:
        print(failure)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
