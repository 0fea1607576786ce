"""Calls that are wrong in one place, drawn from botocore's models: what is missing, of another type, out of its range.

What a serializer would not write is written into its output: a form, a document in JSON or one in XML.
"""

import copy
import json
import re
from datetime import datetime, timezone
from xml.etree import ElementTree

from .randomcalls import KINDS, WORDS

LONGEST, MANY = 100_000, 1000
# structures within structures are filled so far
DEEPEST = 4


class BadCalls:
    """`ids` has one id of each kind that is there, by what it begins with; `words` sound values of members."""

    def __init__(self, models, ids, words):
        self.models, self.ids, self.words = models, ids, words

    def sound(self, service, action):
        """Parameters with what the model requires, and nothing else."""
        shape = self.models.operation(service, action).input_shape
        return self._structure(action, shape, 0, False) if shape else {}

    def full(self, service, action):
        """Parameters with every member that is not deep inside."""
        shape = self.models.operation(service, action).input_shape
        return self._structure(action, shape, 0, True) if shape else {}

    def cases(self, service, action):
        """(fault, where, request) of each wrong call of an action."""
        yield from self._of_parameters(service, action)
        yield from self._of_octets(service, action)

    def _structure(self, action, shape, depth, is_full):
        made = {}
        for name, member in shape.members.items():
            is_deep = depth >= DEEPEST and name not in shape.required_members
            if name == "DryRun" or is_deep or not (is_full or name in shape.required_members):
                continue
            made[name] = self._value(action, name, member, depth + 1, is_full)
        return made

    def _value(self, action, name, shape, depth, is_full):
        for key in (f"{action}.{name}", name):
            if key in self.words:
                return copy.deepcopy(self.words[key])
        kind = shape.type_name
        if kind == "structure":
            return self._structure(action, shape, depth, is_full)
        if kind == "list":
            return [self._value(action, name, shape.member, depth + 1, is_full)]
        if kind == "map":
            return {"Key": "value"}
        if kind == "boolean":
            return True
        if kind in ("integer", "long", "double", "float"):
            return max(int(shape.metadata.get("min", 5)), 5)
        if kind == "timestamp":
            return datetime(2026, 1, 1, tzinfo=timezone.utc)
        if kind == "blob":
            return b"x"
        if getattr(shape, "enum", None):
            return shape.enum[0]
        if KINDS.get(name) in self.ids:
            return self.ids[KINDS[name]]
        word = WORDS[name][0] if name in WORDS else "text"
        return str(word).ljust(int(shape.metadata.get("min", 0)), "x")

    # --- what a serializer writes ---------------------------------------------------------------------------------

    def _of_parameters(self, service, action):
        shape = self.models.operation(service, action).input_shape
        if shape is None:
            return
        for params in (self.sound(service, action), self.full(service, action)):
            for path, member, is_required in members(shape, params):
                in_path = member.serialization.get("location") == "uri"
                if is_required and not in_path:
                    yield from self._made("missing", service, action, path, removed(params, path))
                for fault, value in wrong_values(member, value_at(params, path)):
                    if not (in_path and value == ""):
                        yield from self._made(fault, service, action, path, replaced_at(params, path, value))

    def _made(self, fault, service, action, path, params):
        try:
            request = self.models.request(service, action, params)
        except (TypeError, ValueError, AttributeError, KeyError, OverflowError):
            # it cannot be said that way
            return
        yield fault, ".".join(map(str, path)), request

    # --- what none would write --------------------------------------------------------------------------------------

    def _of_octets(self, service, action):
        protocol = self.models.services[service].metadata["protocol"]
        if self.models.operation(service, action).input_shape is None:
            return
        for params in (self.sound(service, action), self.full(service, action)):
            method, path, headers, body = self.models.request(service, action, params)
            if protocol in ("json", "rest-json"):
                wrong = wrong_documents(body)
            elif protocol == "rest-xml":
                wrong = wrong_elements(body)
            else:
                wrong = wrong_forms(self.models, service, action, body)
            for fault, where, octets in wrong:
                yield fault, where, (method, path, headers, octets)


def members(shape, params, path=()):
    """(path, shape, whether its structure requires it) of each member that `params` has."""
    kind = shape.type_name
    if kind == "structure" and isinstance(params, dict):
        for name, member in shape.members.items():
            if name in params:
                yield (*path, name), member, name in shape.required_members
                yield from members(member, params[name], (*path, name))
    elif kind == "list" and isinstance(params, list) and params:
        yield (*path, 0), shape.member, False
        yield from members(shape.member, params[0], (*path, 0))


def wrong_values(shape, value):
    """(fault, value) of values that the shape does not allow, or that are odd."""
    kind = shape.type_name
    if kind == "string" and isinstance(value, str):
        if getattr(shape, "enum", None):
            yield "enum", "NoSuchWord"
        longest, shortest = shape.metadata.get("max"), shape.metadata.get("min", 0)
        if longest and int(longest) < LONGEST:
            yield "too long", "a" * (int(longest) + 1)
        if int(shortest) > 1:
            yield "too short", "a"
        # what stands in a path or a query is bounded by HTTP
        yield "huge", "a" * (4000 if shape.serialization.get("location") else LONGEST)
        yield from (("odd", "é🦀\u202e"), ("odd", "\x00"), ("odd", "%00../..'\"<>&"), ("empty", ""))
    elif kind in ("integer", "long"):
        for bound, beyond in (("min", -1), ("max", 1)):
            if bound in shape.metadata:
                yield "out of range", int(shape.metadata[bound]) + beyond
        yield from (("odd", -1), ("odd", 2 ** 31), ("odd", 2 ** 63), ("odd", 10 ** 40))
    elif kind == "list" and isinstance(value, list) and value:
        longest = shape.metadata.get("max")
        if longest and int(longest) < MANY:
            yield "too many", value * (int(longest) + 1)
        yield from (("many", value * MANY), ("empty", []))


def wrong_documents(body):
    """The same document with each value as one of another type, and with more than the model knows."""
    try:
        document = json.loads(body or b"{}")
    except ValueError:
        return
    yield "unknown", "", json.dumps({**document, "NoSuchMember": {"a": [1]}}).encode()
    for path in paths(document):
        value = value_at(document, path)
        for other in ("text", 7, True, ["text"], {"a": 1}, 1.5):
            if type(other) is not type(value) and not (isinstance(value, (int, float)) and isinstance(other, float)):
                yield "type", ".".join(map(str, path)), json.dumps(replaced_at(document, path, other)).encode()
        if isinstance(value, dict):
            more = {**value, "NoSuchMember": "x"}
            yield "unknown", ".".join(map(str, path)), json.dumps(replaced_at(document, path, more)).encode()
    text = json.dumps(document)
    for broken in (text[:-1], text + text, "[]", "null", "7", "[" * 20_000, '{"a":' * 20_000, "\ufeff" + text, "{" + '"a":1,' * 2 + '"a":1}'):
        yield "broken", "", broken.encode()


def wrong_elements(body):
    """The same of a document in XML."""
    if not body:
        return
    root = ElementTree.fromstring(body)
    space = root.tag[:root.tag.find("}") + 1]
    ElementTree.register_namespace("", space.strip("{}"))
    for number, element in enumerate(root.iter()):
        # the root has no text of its own to say anything with
        for fault, change in (("type", as_text if number else as_it_is), ("type", as_structure), ("unknown", with_more), ("twice", twice)):
            made = copy.deepcopy(root)
            change(list(made.iter())[number], space)
            yield fault, element.tag.removeprefix(space), ElementTree.tostring(made)
    text = body.decode()
    entity = '<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>'
    for broken in (text[:-3], text + text, "text", "<a/>", "<a>" * 20_000, entity + re.sub(r">[^<]+<", ">&b;<", text, count=1),
                   text.replace("xmlns", "xmlnz"), re.sub(r"<(\w+)", r'<\1 a="1" a="1"', text, count=1)):
        yield "broken", "", broken.encode()


def as_text(element, _):
    tail = element.tail
    if len(element):
        element.clear()
        element.text, element.tail = "maybe", tail
    else:
        element.text = "maybe" if element.text in ("true", "false") or (element.text or "").isdigit() else element.text


def as_it_is(_, __):
    """No fault."""


def as_structure(element, space):
    if not len(element):
        element.text = ""
        element.append(ElementTree.Element(f"{space}Inner"))


def with_more(element, space):
    if len(element):
        element.append(ElementTree.Element(f"{space}NoSuchMember"))


def twice(element, _):
    for child in list(element)[:1]:
        element.append(copy.deepcopy(child))


def wrong_forms(models, service, action, body):
    """The same of a form."""
    form = body.decode()
    yield "unknown", "", f"{form}&NoSuchMember=1".encode()
    yield "unknown", "", f"{form}&NoSuchMember.1.Inner=1".encode()
    for broken in (form + "&%", form + "&=1", form + f"&{form}", form + "&a=%ff%fe", form + "&" * 20_000):
        yield "broken", "", broken.encode()
    shape = models.operation(service, action).input_shape
    for name, member in shape.members.items():
        key = name_in_form(name, member)
        rest = "&".join(pair for pair in form.split("&") if not re.match(rf"{re.escape(key)}(\.|=)", pair))
        for other in wrong_pairs(key, member):
            yield "type", name, f"{rest}&{other}".encode()


def name_in_form(name, member):
    """How EC2's forms call a member."""
    said = member.serialization.get("queryName") or member.serialization.get("name") or name
    return said[0].upper() + said[1:]


def wrong_pairs(key, shape):
    kind = shape.type_name
    if kind in ("boolean", "integer", "long", "double", "float", "timestamp"):
        return [f"{key}=maybe", f"{key}.1=true", f"{key}=1.5e3"]
    if kind in ("structure", "map"):
        return [f"{key}=text", f"{key}.1=text"]
    if kind == "list":
        deep = [f"{key}.1=text"] if shape.member.type_name == "structure" else [f"{key}.1.Inner=text"]
        return [*deep, f"{key}=text", f"{key}.0={'x'}", f"{key}.99999999999=x", f"{key}.-1=x", f"{key}.a=x"]
    return [f"{key}.1=text", f"{key}.Inner=text"]


# --- values within values -------------------------------------------------------------------------------------------

def paths(value, path=()):
    """The path of each value in a document, but for the document itself."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, member in inner:
        yield (*path, key)
        yield from paths(member, (*path, key))


def value_at(params, path):
    for key in path:
        params = params[key]
    return params


def replaced_at(params, path, value):
    """A copy with another value."""
    made = copy.deepcopy(params)
    value_at(made, path[:-1])[path[-1]] = value
    return made


def removed(params, path):
    """A copy without a value."""
    made = copy.deepcopy(params)
    del value_at(made, path[:-1])[path[-1]]
    return made
