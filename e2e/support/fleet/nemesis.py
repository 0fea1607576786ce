"""Faults, one after the other, and when each of them was.

Which one comes next is chance, but each kind comes as often as the others. The servers and members are put right again before
the next one, except for what a server needs to notice.
"""

import random
import signal
import time


class Nemesis:
    """Works on a fleet and its cluster. `windows` has (begin, end, what) of each fault, `count` how many there were."""

    def __init__(self, case, fleet, cluster, recorder, rng=None):
        self.case, self.fleet, self.cluster, self.recorder = case, fleet, cluster, recorder
        self.rng = rng or random.Random(20171130)
        self.windows, self.kinds = [], {}
        network = [self.cut_leader, self.cut_member, self.cut_server, self.forget_member, self.forget_leader] if fleet.network.hosts else []
        self.faults = [self.kill_leader, self.kill_member, self.stop_leader, self.stop_member, self.kill_server, self.kill_server,
                       self.stop_server, self.compact, *network]
        # the first of all: it is certain to cut calls off
        self.bag = [self.kill_server]

    def strike(self):
        """One fault, from its begin to its end."""
        if not self.bag:
            self.bag = self.rng.sample(self.faults, len(self.faults))
        fault = self.bag.pop()
        begin = time.monotonic()
        fault()
        self.windows.append((begin, time.monotonic(), fault.__name__))
        self.kinds[fault.__name__] = self.kinds.get(fault.__name__, 0) + 1

    @property
    def count(self):
        """How many faults there were."""
        return len(self.windows)

    def deaf(self, begin, end, recovery=4.0):
        """Whether a fault, or what it takes to get over it, touches this time."""
        return any(begin < over + recovery and end > since for since, over, _ in self.windows)

    def wait(self, least, most):
        time.sleep(self.rng.uniform(least, most))

    def other(self):
        """A member that does not lead."""
        leader = self.cluster.leader()
        return self.rng.choice([number for number in range(3) if number != leader])

    # --- members ----------------------------------------------------------------------------------------------------

    def kill(self, number):
        self.cluster.kill(number)
        self.wait(0.3, 1.5)
        self.cluster.restart(number)

    def stop(self, number):
        self.cluster.signal(number, signal.SIGSTOP)
        self.wait(0.5, 3)
        self.cluster.signal(number, signal.SIGCONT)

    def cut(self, host):
        self.fleet.network.cut(host)
        self.wait(0.5, 3)
        self.fleet.network.mend(host)

    def kill_leader(self):
        self.kill(self.cluster.leader())

    def kill_member(self):
        self.kill(self.other())

    def stop_leader(self):
        self.stop(self.cluster.leader())

    def stop_member(self):
        self.stop(self.other())

    def cut_leader(self):
        self.cut(f"e{self.cluster.leader()}")

    def cut_member(self):
        self.cut(f"e{self.other()}")

    def compact(self):
        """Forgets all that the recorder has seen, and so what a server that is behind would need."""
        self.cluster.ctl("compact", str(self.recorder.next - 1), check=False)

    # --- servers ----------------------------------------------------------------------------------------------------

    def kill_server(self):
        server = self.rng.choice(self.fleet.servers)
        server.kill()
        self.wait(0, 1)
        server.start()

    def stop_server(self):
        server = self.rng.choice(self.fleet.servers)
        server.process.process.send_signal(signal.SIGSTOP)
        self.wait(0.3, 2)
        if self.rng.random() < 0.5:
            # it wakes up to a history that has gone
            self.compact()
        server.process.process.send_signal(signal.SIGCONT)

    def cut_server(self):
        self.cut(self.rng.choice(self.fleet.servers).host)

    def forget(self, server, number):
        """A server's packets to one member are lost."""
        self.fleet.network.forget(server.host, f"e{number}")
        self.wait(0.5, 3)
        self.fleet.network.remember(server.host, f"e{number}")

    def forget_member(self):
        self.forget(self.rng.choice(self.fleet.servers), self.other())

    def forget_leader(self):
        self.forget(self.rng.choice(self.fleet.servers), self.cluster.leader())
