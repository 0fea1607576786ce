"""Holds what clients saw against what etcd says happened, replayed in the order of revisions on a model with one file.

Promised, and judged:

    order       each transaction follows the one before it; its changes are those of calls, each of which happened once, between
                its begin and its end; a call that ended before another began is before it; refusals had their reason
    rules       no address twice, one private name in a VPC, one endpoint for a token, as many objects as the head says
    reads       show one revision of the store (the server whose calls are in it may show the first of them alone, before it has
                answered any): on one server never an older one than was acknowledged or read there before;
                elsewhere at most 50 ms behind, while nothing is cut off

A call whose outcome is not known may have happened or not, once. Everything that is not so is a finding, with its kind.
"""

import bisect
import heapq
import json
from collections import Counter, defaultdict
from dataclasses import dataclass, replace

FRESH_MS = 50
# what a machine that is busy may add to the slowest read in a hundred, and what no read may reach
SLOWEST_MS = 500


@dataclass(frozen=True)
class View:
    """An endpoint at one revision."""
    name: str
    vpc: str
    service: str
    private: bool
    subnets: tuple  # (subnet, address), sorted
    tags: frozenset
    is_live: bool


class Judge:
    """One history, from the revision `start` on, when there were `objects`. `deaf(begin, end)`: whether freshness is not to be
    expected in that time; `lateness(begin, end)`: how late the machine was in it, in seconds; `writers`: which server a process is."""

    def __init__(self, history, transactions, start, objects, writers, deaf=lambda begin, end: False, lateness=lambda begin, end: 0):
        self.history, self.transactions, self.deaf, self.lateness = history, transactions, deaf, lateness
        self.writers, self.writer = writers, {}  # `writer`: the server of a revision
        self.findings = Counter()
        self.evidence = []
        self.by_number = {operation.number: operation for operation in history}
        self.attempts = defaultdict(list)  # number of a create: it and its repeats
        for operation in history:
            if operation.kind in ("create", "repeat"):
                self.attempts[operation.subject or operation.number].append(operation)
        self.resizes = defaultdict(list)
        for operation in history:
            if operation.kind in ("grow", "shrink", "delete"):
                self.resizes[operation.endpoint, operation.kind].append(operation)
        self.untags = defaultdict(list)
        for operation in history:
            if operation.kind == "untag":
                self.untags[operation.subject].append(operation)
        self.views, self.start = {}, start
        self.known, self.earliest = {}, {}  # revision: when it was there at the latest, and at the earliest
        self.ids = set(objects)
        self.lists = defaultdict(list)  # VPC: (revision, what a list says)
        self.answers = defaultdict(list)  # endpoint: (revision, addresses)
        self.privates = defaultdict(list)  # (VPC, service): (revision, whether the private name is taken)
        self.lives = defaultdict(list)  # endpoint: (revision, whether it is live)
        self.purged = {}  # deleted endpoints that are listed no more: since when
        self.staleness = []

    def run(self):
        """Judges all; the findings by kind."""
        head = self.start
        for transaction in self.transactions:
            head = self.replay(transaction, head)
        self.order()
        self.unexplained()
        for server in {(operation.server, operation.session) for operation in self.history}:
            self.reads([operation for operation in self.history if (operation.server, operation.session) == server])
        self.freshness()
        return self.findings

    def find(self, kind, *evidence):
        """Notes a finding."""
        self.findings[kind] += 1
        if self.findings[kind] <= 5:
            self.evidence.append(f"{kind}: {'; '.join(map(str, evidence))}")

    # --- what happened ----------------------------------------------------------------------------------------------

    def replay(self, transaction, before):
        """Applies one transaction, and explains each of its changes by a call."""
        revision, put = transaction.revision, transaction.put
        self.known[revision] = transaction.seen
        head = json.loads(put["head"]) if "head" in put else {}
        self.writer[revision] = self.writers.get(head.get("by", "").rsplit("/", 1)[-1])
        if head.get("after") != before:
            self.find("chain", f"revision {revision} follows {head.get('after')}, and not {before}")
        for key in transaction.deleted:
            kind, _, name = key.split("/", 2)
            if kind == "o":
                self.ids.discard(name)
                self.changed(revision, name, None, transaction)
        for key, value in put.items():
            if key.startswith("o/"):
                name = key.split("/", 2)[2]
                self.ids.add(name)
                record = json.loads(value)
                if "e" in record or record["kind"] == "endpoint":
                    self.changed(revision, name, read_view(record), transaction)
        if head.get("objects") != len(self.ids):
            self.find("count", f"revision {revision} has {len(self.ids)} objects, its head says {head.get('objects')}")
        self.rules(revision, put)
        return revision

    def changed(self, revision, endpoint, after, transaction):
        """One endpoint is another one now."""
        before = self.views.get(endpoint)
        if after is None:
            if before and before.is_live:
                self.find("unexplained", f"revision {revision}: {endpoint} vanishes", before)
            self.views.pop(endpoint, None)
            self.purged[endpoint] = transaction.seen
            return
        self.views[endpoint] = after
        for series, value in ((self.answers[endpoint], tuple(sorted(address for _, address in after.subnets)) if after.is_live else ()),
                              (self.lives[endpoint], after.is_live)):
            if not series or series[-1][1] != value:
                series.append((revision, value))
        if before is None:
            self.explain_create(revision, endpoint, after)
            first = self.by_number.get(after.name)
            at_first = tuple(pair for pair in after.subnets if first and pair[0] in first.subnets)
            before = replace(after, subnets=at_first, tags=frozenset(), is_live=True)
        self.explain(revision, endpoint, before, after, transaction)
        if (before.name, before.vpc, before.service, before.private) != (after.name, after.vpc, after.service, after.private):
            self.find("unexplained", f"revision {revision}: {endpoint} was {before} and is {after}")

    def explain_create(self, revision, endpoint, after):
        attempts = self.attempts.get(after.name, [])
        create = next(iter(attempts), None)
        if create is None or (create.vpc, create.service, create.private) != (after.vpc, after.service, after.private):
            return self.find("unexplained", f"revision {revision} makes {endpoint}, {after}", create)
        if create.revision is not None:
            return self.find("token", f"revision {revision} makes {endpoint}, a second one of {create}")
        if all(attempt.outcome in ("failed", "refused") for attempt in attempts):
            self.find("resurrected", f"revision {revision} has a call that failed", create)
        create.revision = revision
        self.earliest[revision] = min(self.earliest.get(revision, create.begin), create.begin)
        self.happened(revision, min((attempt.end for attempt in attempts if attempt.outcome == "ok"), default=None))
        for attempt in attempts:
            if attempt.outcome == "ok" and attempt.endpoint != endpoint:
                self.find("token", f"{endpoint} was made, and another id was told", attempt)

    def explain(self, revision, endpoint, before, after, transaction):
        """What changed of an endpoint, by one call each."""
        for tag in after.tags - before.tags:
            self.land(revision, self.by_number.get(tag), "tag", f"{endpoint} gets tag {tag}")
        for tag in before.tags - after.tags:
            untag = [operation for operation in self.untags[tag] if operation.revision is None]
            self.land(revision, next(iter(untag), None), "untag", f"{endpoint} loses tag {tag}")
        if before.is_live and not after.is_live:
            return self.land(revision, self.pick(endpoint, "delete", transaction), "delete", f"{endpoint} goes")
        had, has = dict(before.subnets), dict(after.subnets)
        for subnet in has.keys() - had.keys():
            self.land(revision, self.pick(endpoint, "grow", transaction), "grow", f"{endpoint} gets {subnet}")
        for subnet in had.keys() - has.keys():
            self.land(revision, self.pick(endpoint, "shrink", transaction), "shrink", f"{endpoint} loses {subnet}")
        if moved := [subnet for subnet in had.keys() & has.keys() if had[subnet] != has[subnet]]:
            self.find("unexplained", f"revision {revision}: {endpoint} has another address in {moved}")

    def pick(self, endpoint, kind, transaction):
        """The call that a change is of: of those that began before it was seen the one that ended first."""
        found = [operation for operation in self.resizes[endpoint, kind]
                 if operation.revision is None and operation.outcome in ("ok", "unknown") and operation.begin < transaction.seen]
        return min(found, key=lambda operation: (operation.outcome != "ok", operation.end or float("inf")), default=None)

    def land(self, revision, operation, kind, what):
        """A change is the work of a call."""
        if operation is None or operation.kind != kind or operation.revision is not None:
            return self.find("unexplained", f"revision {revision}: {what}, and no call did that", operation)
        if operation.outcome in ("failed", "refused"):
            self.find("resurrected", f"revision {revision} has a call that failed", operation)
        operation.revision = revision
        self.earliest[revision] = min(self.earliest.get(revision, operation.begin), operation.begin)
        self.happened(revision, operation.end if operation.outcome == "ok" else None)

    def happened(self, revision, end):
        """A revision is known to be there from this time on, at the latest."""
        if end is not None:
            self.known[revision] = min(self.known[revision], end)

    def rules(self, revision, put):
        """What has to be true at every revision, of what a transaction touched."""
        touched = {key.split("/", 2)[2] for key in put if key.startswith("o/")} & self.views.keys()
        if not touched:
            return
        live = {endpoint: view for endpoint, view in self.views.items() if view.is_live}
        addresses = Counter((view.vpc, address) for view in live.values() for _, address in view.subnets)
        if twice := [address for address, count in addresses.items() if count > 1]:
            self.find("address", f"revision {revision} has addresses twice: {twice}")
        privates = Counter((view.vpc, view.service) for view in live.values() if view.private)
        if twice := [name for name, count in privates.items() if count > 1]:
            self.find("private name", f"revision {revision} has private names twice: {twice}")
        for vpc in {self.views[endpoint].vpc for endpoint in touched} - {""}:
            said = frozenset((endpoint, view.name, view.private, view.tags, frozenset(subnet for subnet, _ in view.subnets))
                             for endpoint, view in live.items() if view.vpc == vpc)
            self.lists[vpc].append((revision, said))
        for name in {(view.vpc, view.service) for view in (self.views[endpoint] for endpoint in touched)}:
            self.privates[name].append((revision, privates[name] > 0))

    def order(self):
        """A call that ended before another began is before it in the store."""
        landed = sorted((operation for operation in self.history if operation.revision), key=lambda operation: operation.begin)
        ended = []
        latest, by = 0, None
        for operation in landed:
            while ended and ended[0][0] < operation.begin:
                _, revision, number = heapq.heappop(ended)
                if revision > latest:
                    latest, by = revision, number
            if operation.revision < latest:
                self.find("real time", f"{operation} began after the end of {self.by_number[by]}")
            if operation.outcome == "ok":
                heapq.heappush(ended, (operation.end, operation.revision, operation.number))

    def unexplained(self):
        """Acknowledged calls that changed nothing."""
        for operation in self.history:
            if operation.outcome == "ok" and operation.kind in ("create", "tag", "untag", "grow", "shrink", "delete"):
                # a tag of what went for good with the same transaction leaves no trace
                if operation.revision is None and not operation.begin < self.purged.get(operation.endpoint, 0):
                    self.find("lost", operation)
            if operation.kind == "repeat" and operation.outcome == "ok" and self.by_number[operation.subject].revision is None:
                self.find("lost", operation)
            if operation.kind == "repeat" and operation.outcome == "refused":
                create = self.by_number[operation.subject]
                if create.outcome == "ok" and create.end < operation.begin:
                    self.find("token", f"refused, though its token is known: {operation}")

    # --- what was seen ----------------------------------------------------------------------------------------------

    def reads(self, operations):
        """What one server showed, from its start to its end."""
        floor, ended = 0, []
        for operation in sorted(operations, key=lambda operation: operation.begin):
            while ended and ended[0][0] < operation.begin:
                floor = max(floor, heapq.heappop(ended)[1])
            if operation.end is None:
                continue
            seen = 0
            if operation.revision and operation.outcome == "ok":
                seen = operation.revision
            elif operation.kind in ("list", "ask") and operation.outcome == "ok":
                seen = self.read(operation, floor)
            elif operation.kind in ("list", "ask") and operation.code:
                self.find("refused read", operation)
            elif operation.outcome == "refused":
                self.refusal(operation, floor)
            if seen:
                heapq.heappush(ended, (operation.end, seen))

    def read(self, operation, floor):
        """The oldest revision that a read can be of."""
        series = self.lists[operation.vpc] if operation.kind == "list" else self.answers[operation.endpoint]
        empty = frozenset() if operation.kind == "list" else ()
        series = [(0, empty), *series]
        possible = []
        for number, (revision, said) in enumerate(series):
            end = series[number + 1][0] if number + 1 < len(series) else float("inf")
            half = (number and operation.kind == "list" and self.writer.get(revision) == operation.server
                    and is_between(series[number - 1][1], operation.result, said))
            if (said == operation.result or half) and self.earliest.get(revision, 0) < operation.end:
                possible.append((revision, end))
        if not possible:
            self.find("phantom", f"no revision says this: {operation}", f"last: {series[-1]}")
            return 0
        allowed = [(begin, end) for begin, end in possible if end > floor]
        if not allowed:
            self.find("backwards", f"revision {floor} was acknowledged or read there before: {operation}", f"it shows {possible}")
            return 0
        end = allowed[-1][1]
        stale = max(0, operation.begin - self.known[end]) * 1000 if end in self.known else 0
        if not self.deaf(self.known.get(end, operation.begin), operation.end):
            late = self.lateness(self.known.get(end, operation.begin) - 0.1, operation.end) * 1000
            self.staleness.append((max(0, stale - late), stale, operation))
        return max(allowed[0][0], floor)

    def freshness(self):
        """How far reads were behind."""
        slow = [entry for entry in self.staleness if entry[0] > FRESH_MS]
        slow.sort(key=lambda entry: entry[0], reverse=True)
        if slow and (len(slow) > len(self.staleness) / 100 or slow[0][0] > SLOWEST_MS):
            self.find("stale", f"{len(slow)} of {len(self.staleness)} reads are more than {FRESH_MS} ms behind",
                      *(f"{stale:.0f} ms: {operation}" for _, stale, operation in slow[:3]))

    def refusal(self, operation, floor):
        """A call was refused for what was so at some revision between its begin and its end."""
        if operation.kind in ("create", "repeat") and "conflicting DNS domain" in str(operation.result):
            series, is_right = self.privates[operation.vpc, operation.service], True
        elif operation.kind in ("tag", "untag", "grow", "shrink", "delete") and "exist" in str(operation.result):
            series, is_right = self.lives[operation.endpoint], False
        else:
            return self.find("refused", operation)
        series = [(0, False), *series]
        at = max(bisect.bisect_right([revision for revision, _ in series], floor) - 1, 0)
        if not any(value == is_right for revision, value in series[at:] if self.earliest.get(revision, 0) < operation.end):
            self.find("refused", f"no revision gives a reason: {operation}", f"from {floor} on: {series[at:][:5]}")
        return None


def is_between(before, seen, after):
    """Whether a list can be of a moment between two others: of each endpoint the one or the other, or what is on the way."""
    before, after, ids = ({entry[0]: entry for entry in said} for said in (before, after, seen))
    return (ids.keys() <= before.keys() | after.keys() and before.keys() & after.keys() <= ids.keys()
            and all(entry in (before.get(id), after.get(id)) or before.get(id) != after.get(id) for id, entry in ids.items()))


def read_view(record):
    """An endpoint as the store has it: in the form of state files, or in the one for many endpoints."""
    if "e" in record:
        interfaces = [text.split("/") for text in record.get("i", "").split()]
        tags = record.get("tags", {})
        return View(tags.get("Name", ""), f"vpc-{record['v']}", record["s"].rsplit(".", 1)[1], record.get("private_dns_enabled", True),
                    tuple(sorted((f"subnet-{subnet}", address) for _, subnet, address in interfaces)),
                    frozenset(tags.keys() - {"Name"}), record.get("phase") != "deleted")
    tags, live = record["tags"], record["phase"] != "deleted"
    return View(tags.get("Name", ""), record["vpc"], record["service"].rsplit(".", 1)[1], record["private_dns_enabled"],
                tuple(sorted((interface["subnet"], interface["ipv4"]) for interface in record["interfaces"])),
                frozenset(tags.keys() - {"Name"}), live)
