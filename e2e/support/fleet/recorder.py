"""What etcd itself says happened: every transaction below the prefix, in the order of revisions, with when it was seen.

Read over etcd's own HTTP gateway, by no code of the server under test. A watch that is silent for a second is opened anew at
the next member, from the revision behind the last one that was seen.
"""

import base64
import http.client
import json
import threading
import time


class Transaction:
    """One revision: the keys that it put, with their values, and those that it deleted."""

    def __init__(self, revision, seen):
        self.revision, self.seen, self.put, self.deleted = revision, seen, {}, []


class Recorder:
    """Follows a cluster from now on, on a thread of its own."""

    def __init__(self, cluster):
        self.cluster, self.transactions, self.failure = cluster, [], None
        self.start = [base64.b64encode(key).decode() for key in (f"{cluster.prefix}/".encode(), f"{cluster.prefix}0".encode())]
        self.next = cluster.revision() + 1
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def finish(self, revision):
        """Waits until all up to `revision` was seen, and returns it."""
        deadline = time.monotonic() + 30
        while self.next <= revision and time.monotonic() < deadline and not self.failure:
            time.sleep(0.05)
        self.over.set()
        self.thread.join()
        if self.failure or self.next <= revision:
            raise AssertionError(f"the recorder lost the history at revision {self.next} of {revision}: {self.failure}")
        return self.transactions

    def _run(self):
        member = 0
        while not self.over.is_set():
            try:
                self._watch(member)
            except (OSError, http.client.HTTPException, ValueError):
                pass
            except LookupError as gone:
                self.failure = str(gone)
                return
            member = (member + 1) % len(self.cluster.clients)

    def _watch(self, member):
        with self.cluster.network.inside("hub"):
            connection = http.client.HTTPConnection(self.cluster.host(member), self.cluster.clients[member], timeout=1)
            connection.connect()
        key, end = self.start
        body = json.dumps({"create_request": {"key": key, "range_end": end, "start_revision": str(self.next)}})
        try:
            connection.request("POST", "/v3/watch", body)
            reply = connection.getresponse()
            while not self.over.is_set() and (line := reply.readline()):
                self._take(json.loads(line)["result"])
        finally:
            connection.close()

    def _take(self, said):
        if int(said.get("compact_revision", 0)):
            raise LookupError("compacted away before it was read")
        now = time.monotonic()
        for event in said.get("events", []):
            revision = int(event["kv"]["mod_revision"])
            if revision < self.next and not (self.transactions and self.transactions[-1].revision == revision):
                continue
            if revision >= self.next:
                self.transactions.append(Transaction(revision, now))
                self.next = revision + 1
            key = base64.b64decode(event["kv"]["key"]).decode().removeprefix(f"{self.cluster.prefix}/v1/")
            if event.get("type") == "DELETE":
                self.transactions[-1].deleted.append(key)
            else:
                self.transactions[-1].put[key] = base64.b64decode(event["kv"].get("value", "")).decode()
