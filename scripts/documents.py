"""The blocks of a Markdown page: what is between fences, and what the comment above says of it."""

import re

# What the comment above a block of commands may say.
MARKS = {
    "run": "scripts/run-docs runs it",
    "run until": "scripts/run-docs repeats it until it prints what is shown",
    "tested": "this test or script runs it",
    "not run here": "for this reason",
}
WITH_VALUE = ("tested", "not run here")
COMMANDS = ("sh", "console", "bash", "shell")

FENCE = re.compile(r"^( *)```\s*(\w*)\s*$")
COMMENT = re.compile(r"^ *<!-- *(.*?) *-->\s*$")


class Block:
    """What stands between two fences."""

    def __init__(self, line, language, mark, value):
        self.line = line
        self.language = language
        self.mark = mark
        self.value = value
        self.text = []

    def commands(self):
        """(command, the lines that it prints) for each `$ ` of a console; the whole block of a script."""
        if self.language != "console":
            return [("\n".join(self.text), None)]
        found = []
        for line in self.text:
            if line.startswith("$ "):
                found.append([line[2:], []])
            elif line.startswith("> ") and found and not found[-1][1]:
                found[-1][0] += "\n" + line[2:]
            elif found:
                found[-1][1].append(line)
        return [tuple(pair) for pair in found]


def blocks(text):
    """Every block of a page, in order."""
    found, open_block, comment, indent = [], None, "", ""
    for number, line in enumerate(text.split("\n"), 1):
        fence = FENCE.match(line)
        if open_block is not None:
            if fence and fence[1] == indent and not fence[2]:
                found.append(open_block)
                open_block, comment = None, ""
            else:
                open_block.text.append(line.removeprefix(indent))
        elif fence:
            mark, _, value = comment.partition(": ")
            indent = fence[1]
            open_block = Block(number, fence[2], mark, value)
        elif line.strip():
            comment = match[1] if (match := COMMENT.match(line)) else ""
    return found
