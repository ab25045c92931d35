#!/usr/bin/python3
"""A real PostgreSQL in a container, under load: rollbacks and branches, at random, lose and invent nothing.

The writer numbers its rows, no number twice, and notes which of them the server acknowledged.  A snapshot then
must hold all that were acknowledged before it, and none that were sent after it.  What a snapshot holds is the same
each time that it is looked at, be it by a rollback or on a branch; and pgbench's sums agree.
"""

import os
import random
import subprocess
import threading
import time

import engines
import tap
from flocker import LONG, MIB, Host
from tap import equal, main, note, test, true

ROUNDS = 100 if LONG else 8
SEED = int(os.environ.get("FLOCKER_TEST_SEED", random.randrange(1 << 32)))
SUMS = """SELECT (SELECT coalesce(sum(delta), 0) FROM pgbench_history), (SELECT sum(abalance) FROM pgbench_accounts),
          (SELECT sum(tbalance) FROM pgbench_tellers), (SELECT sum(bbalance) FROM pgbench_branches)"""
DIGEST = """SELECT md5(string_agg(t, ',' ORDER BY t)) FROM (
            SELECT 'a' || aid || ':' || abalance AS t FROM pgbench_accounts WHERE abalance <> 0
            UNION ALL SELECT 'h' || tid || ':' || aid || ':' || delta || ':' || mtime FROM pgbench_history
            UNION ALL SELECT 'n' || n FROM numbers) AS rows"""

dice = random.Random(SEED)
engine = engines.Docker()
engine.start()
engine.postgres()
host = Host()
host.start()
host.pool(size=2048 * MIB)
host.run("config", "set", "docker.socket", engine.socket)
host.restart()


def ask(container, statement):
    return engine.sql(container, statement)


def numbers(container):
    return {int(line) for line in ask(container, "SELECT n FROM numbers").split()}


class Writer(threading.Thread):
    """One session that inserts one number after the other, until its server ends."""

    number = 0

    def __init__(self, container):
        super().__init__()
        self.sent, self.acknowledged, self.ending = [], [], False
        self.psql = subprocess.Popen(engine.command(["exec", "-i", container, "psql", "-qAt"]), text=True, bufsize=1,
                                     stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                     env=engine.environment())

    def run(self):
        try:
            while not self.ending:
                Writer.number += 1
                self.sent.append(Writer.number)
                self.psql.stdin.write(f"INSERT INTO numbers VALUES ({Writer.number}) RETURNING n;\n")
                answer = self.psql.stdout.readline()
                if answer.strip() != str(Writer.number):
                    return
                self.acknowledged.append(Writer.number)
        except OSError:  # its server was stopped
            pass

    def end(self):
        self.ending = True
        self.join(timeout=300)
        try:
            self.psql.stdin.close()
        except OSError:  # a statement that nobody took any more
            pass
        self.psql.wait(timeout=300)


class Moment:
    """A snapshot, and what must and may be in it."""

    def __init__(self, ref, must, may):
        self.ref, self.must, self.may = ref, must, may
        self.digest = None

    def check(self, container):
        found = numbers(container)
        true(self.must <= found, f"acknowledged before {self.ref} and lost: {sorted(self.must - found)[:10]}")
        true(found <= self.may, f"not from before {self.ref}: {sorted(found - self.may)[:10]}")
        sums = ask(container, SUMS).split("|")
        equal(len(set(sums)), 1, f"sums of pgbench {sums}")
        digest = ask(container, DIGEST)
        equal(digest, self.digest or digest, f"rows of {self.ref}, seen before")
        self.digest = digest
        return found


class Load:
    """pgbench and the writer on one container."""

    def __init__(self, container):
        self.writer = Writer(container)
        self.pgbench = subprocess.Popen(
            engine.command(["exec", container, "pgbench", "-n", "-c", "2", "-T", "600"]),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=engine.environment())
        self.writer.start()
        tap.wait_until(lambda: len(self.writer.acknowledged) > dice.randrange(20, 200), "rows are acknowledged", 300)

    def snapshot(self, base):
        must = base | set(self.writer.acknowledged)
        ref = host.snapshot("db")["ref"]
        return Moment(ref, must, base | set(self.writer.sent))

    def end(self):
        """After its server was stopped, which ends both."""
        self.writer.end()
        self.pgbench.wait(timeout=300)


def on_a_branch(moment, number):
    path = os.path.realpath(host.branch(f"db/b{number}", **{"from": moment.ref})["path"])
    engine.start_postgres(f"b{number}", "-v", f"{path}:/data")
    moment.check(f"b{number}")
    engine.run("rm", "-f", f"b{number}")
    host.delete("/v1/branch", f"db/b{number}")


@test
def random_rollbacks_and_branches_lose_and_invent_nothing():
    note(f"FLOCKER_TEST_SEED={SEED}")
    host.create("db")
    engine.start_postgres("db", "-v", f"{os.path.realpath(host.path('db'))}:/data", "--restart", "always")
    engine.exec("db", "pgbench", "-i", "-q", "--foreign-keys")
    ask("db", "CREATE TABLE numbers (n bigint PRIMARY KEY)")
    base, moments, took = set(), [], []
    for number in range(ROUNDS):
        load = Load("db")
        moments.append(load.snapshot(base))
        moment = moments[-1] if dice.random() < 0.3 else dice.choice(moments)
        if dice.random() < 0.3:
            on_a_branch(moment, number)
        began = time.monotonic()
        answer = host.rollback("db", moment.ref)
        took.append((time.monotonic() - began, answer["containers"]))
        load.end()
        equal([item["outcome"] for item in answer["containers"]["items"]], ["restarted"])
        equal(answer["holders"], [], "who sees the old contents")
        engine.await_postgres("db")
        base = moment.check("db")
    middle = sorted(took, key=lambda one: one[0])[len(took) // 2]
    note(f"{ROUNDS} rollbacks, median {middle[0]:.2f} s: {middle[1]['stop_ms']} ms to stop, {middle[1]['swap_ms']} ms, "
         f"{middle[1]['start_ms']} ms to start; {Writer.number} rows")
    engine.run("rm", "-f", "db")


main()
