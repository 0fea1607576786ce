"""Reads the master files that `vpcedns names --format zone` prints (RFC 1035 section 5), as far as they go."""

import re

TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[^\s()]+|[()]')


def zones(text):
    """The text of each zone by its origin: a zone begins with its `$ORIGIN` and reaches to the next one."""
    found, origin = {}, None
    for line in text.splitlines():
        if line.startswith("$ORIGIN"):
            origin = line.split()[1].rstrip(".").lower() + "."
        if origin is not None:
            found.setdefault(origin, []).append(line)
    return {origin: "\n".join(lines) + "\n" for origin, lines in found.items()}


def records(text, origin):
    """(owner, ttl, type, data words) of every record of a zone."""
    found, owner, default_ttl, depth, words, starts_blank = [], origin, 60, 0, [], False
    for line in text.splitlines():
        line = re.sub(r';(?=(?:[^"]*"[^"]*")*[^"]*$).*', "", line)
        if depth == 0:
            words, starts_blank = [], line[:1].isspace()
        for token in TOKEN.findall(line):
            if token in "()":
                depth += 1 if token == "(" else -1
            else:
                words.append(token)
        if depth or not words:
            continue
        if words[0] == "$ORIGIN":
            origin = absolute(words[1], ".")
        elif words[0] == "$TTL":
            default_ttl = int(words[1])
        else:
            rest = list(words)
            if not starts_blank:
                owner = absolute(rest.pop(0), origin)
            ttl = default_ttl
            while rest and (rest[0].isdigit() or rest[0].upper() == "IN"):
                word = rest.pop(0)
                ttl = int(word) if word.isdigit() else ttl
            found.append((owner, ttl, rest[0].upper(), rest[1:]))
    return found


def absolute(name, origin):
    """A name of a master file in full, lower case, with its final dot."""
    if name == "@":
        return origin
    if name.endswith("."):
        return name.lower()
    return f"{name}.{origin}".lower() if origin != "." else f"{name}.".lower()
