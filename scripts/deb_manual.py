#!/usr/bin/python3
"""deb_manual.py SECTION VERSION TEXT: a manual page on stdout. Options and commands are what the program says of itself
on stdin (--experimental-dump-help), so that they cannot drift; TEXT has the sections that only people can write."""

import datetime
import json
import os
import sys


def text(value):
    """Safe from roff: hyphens stay hyphens, and no line begins with a control character."""
    escaped = value.replace("\\", "\\e").replace("\t", "\\et").replace("-", "\\-")
    return "\n".join("\\&" + line if line[:1] in (".", "'") else line for line in escaped.splitlines())


def is_help(argument):
    return argument["valueName"] == "help"


def arguments(command):
    return [argument for argument in command.get("arguments", []) if argument["shouldDisplay"]]


def subcommands(command):
    return [sub for sub in command.get("subcommands", []) if sub["shouldDisplay"] and sub["commandName"] != "help"]


def name(given):
    return ("--" if given["kind"] == "long" else "-") + given["name"]


def value(argument):
    return f"\\fI{text(argument['valueName'])}\\fR"


def synopsis(command, path):
    """The command with what must, and what may, follow it."""
    words = [f"\\fB{text(' '.join(path))}\\fR"]
    if any(argument["kind"] != "positional" for argument in arguments(command)):
        words.append("[\\fIoptions\\fR]")
    if subcommands(command):
        words.append("\\fIcommand\\fR ...")
    for argument in arguments(command):
        if argument["kind"] == "positional":
            word = value(argument) + (" ..." if argument["isRepeating"] else "")
            words.append(f"[{word}]" if argument["isOptional"] else word)
    return " ".join(words)


def described(argument):
    """A tagged paragraph: the names and the value, then what it means."""
    if argument["kind"] == "positional":
        tag = value(argument)
    else:
        tag = ", ".join(f"\\fB{text(name(given))}\\fR" for given in argument["names"])
        tag += f" {value(argument)}" if argument["kind"] == "option" else ""
    meaning = argument.get("abstract", "")
    if argument.get("allValues"):
        meaning += f" ({', '.join(argument['allValues'])})"
    if argument.get("defaultValue"):
        meaning += f" (default: {argument['defaultValue']})"
    return f".TP\n{tag}\n{text(meaning)}"


def commands(command, path):
    """Each subcommand with its options, those of its own subcommands after it."""
    for sub in subcommands(command):
        below = path + [sub["commandName"]]
        yield f".SS {text(' '.join(below[1:]))}\n{synopsis(sub, below)}\n.PP\n{text(sub.get('abstract', ''))}."
        if sub.get("discussion"):
            yield f".PP\n{text(sub['discussion'])}"
        yield from (described(argument) for argument in arguments(sub) if not is_help(argument))
        yield from commands(sub, below)


def page(command, section, version, tail):
    program = command["commandName"]
    date = datetime.datetime.fromtimestamp(int(os.environ["SOURCE_DATE_EPOCH"]), datetime.timezone.utc)
    abstract = command["abstract"].rstrip(".")
    yield f'.TH {program.upper()} {section} {date:%Y-%m-%d} "Matriarch {version}"'
    yield f".SH NAME\n{text(program)} \\- {text(abstract[0].lower() + abstract[1:])}"
    yield f".SH SYNOPSIS\n{synopsis(command, [program])}"
    yield f".SH DESCRIPTION\n{text(command['abstract'])}\n{text(command.get('discussion', ''))}"
    yield ".SH OPTIONS"
    yield from (described(argument) for argument in arguments(command))
    if subcommands(command):
        yield ".SH COMMANDS"
        yield from commands(command, [program])
    yield tail


if __name__ == "__main__":
    section, version, path = sys.argv[1:]
    with open(path, encoding="utf-8") as written:
        lines = page(json.load(sys.stdin)["command"], section, version, written.read().rstrip())
        print("\n".join(line for line in "\n".join(lines).splitlines() if line))
