#!/usr/bin/python3
"""The hooks for MySQL/MariaDB and PostgreSQL, against the real servers, which are written to meanwhile.

A server runs as an ordinary user on a branch, behind a socket in the test's directory.  What its
snapshots are worth is asked of another server, which is started on a branch of each.
"""

import glob
import os
import pwd
import subprocess
import threading

import cleanup
import tap
from flocker import Host, LONG, MIB
from tap import equal, test, true

NOBODY = pwd.getpwnam("nobody")
SNAPSHOTS = 12 if LONG else 3
PATIENCE = 300  # seconds: servers sync many files, and a slow disk takes seconds for each
# A hook's time counts until it has let go, and a server that is to make a checkpoint syncs first.
PATIENT = ["--timeout", "10m"]

host = Host()
os.chmod(host.directory, 0o755)
host.start()
host.pool(size=1536 * MIB)


def as_nobody():
    return {"user": NOBODY.pw_uid, "group": NOBODY.pw_gid, "extra_groups": []}


def private(name):
    path = f"{host.directory}/{name}"
    os.makedirs(path, exist_ok=True)
    os.chown(path, NOBODY.pw_uid, NOBODY.pw_gid)
    return path


def give_to_nobody(path):
    """The root of a branch, before anything is in it; PostgreSQL wants it to itself."""
    os.chown(path, NOBODY.pw_uid, NOBODY.pw_gid)
    os.chmod(path, 0o700)
    return path


class Server:
    """`program`: the whole command of a server in the foreground."""

    def __init__(self, name, program, asks):
        self.log = open(f"{host.directory}/{name}.log", "ab")
        self.process = subprocess.Popen(program, stdout=self.log, stderr=self.log, cwd=private("run"),
                                        stdin=subprocess.DEVNULL, **as_nobody())
        cleanup.record(f"{host.directory}/daemons", self.process.pid)
        self.asks = asks
        tap.wait_until(lambda: self.answers() or self.process.poll() is not None, f"{name} answers", PATIENCE)
        if self.process.poll() is not None:
            with open(self.log.name, encoding="utf-8", errors="replace") as log:
                raise AssertionError(f"{name} ended:\n{log.read()[-3000:]}")

    def answers(self):
        return self.try_to_ask("SELECT 1;").returncode == 0

    def rights(self):
        return {}

    def try_to_ask(self, statements):
        return subprocess.run(self.asks, input=statements, capture_output=True, text=True, check=False,
                              env={"PATH": "/usr/bin:/bin", "LC_ALL": "C"}, **self.rights())

    def ask(self, statements):
        done = self.try_to_ask(statements)
        true(done.returncode == 0, f"{statements}\n{done.stderr}")
        return [line.split("\t") for line in done.stdout.splitlines()]

    def stop(self):
        self.process.terminate()
        self.process.wait(timeout=PATIENCE)

    def kill(self):
        self.process.kill()
        self.process.wait(timeout=PATIENCE)


class Load:
    """Sessions that send the same statements over and over, until they are told to stop."""

    def __init__(self, server, statements, sessions=2):
        self.stopping = False
        self.clients = []
        self.threads = []
        for _ in range(sessions):
            client = subprocess.Popen(server.asks, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                                      stderr=subprocess.DEVNULL, text=True, **server.rights())
            cleanup.record(f"{host.directory}/daemons", client.pid)
            thread = threading.Thread(target=self.send, args=(client, statements), daemon=True)
            thread.start()
            self.clients.append(client)
            self.threads.append(thread)

    def send(self, client, statements):
        try:
            while not self.stopping:
                client.stdin.write(statements)
            client.stdin.close()
        except (BrokenPipeError, ValueError):
            pass

    def stop(self):
        """After what was sent: a session that is cut off would leave half a transaction behind."""
        self.stopping = True
        for thread, client in zip(self.threads, self.clients):
            thread.join(timeout=PATIENCE)
            equal(client.wait(timeout=PATIENCE), 0, "the session that wrote")


# --- MySQL and MariaDB --------------------------------------------------------------


# Small, since a server is started on every snapshot, and without a sync of each row: what is
# written is in a snapshot all the same.
SMALL = ["--innodb-log-file-size=4M", "--innodb-buffer-pool-size=8M", "--aria-log-file-size=8M",
         "--innodb-flush-log-at-trx-commit=2"]


class MariaDB(Server):
    def __init__(self, name, data):
        self.socket = f"{host.directory}/run/{name}.sock"
        super().__init__(name, ["/usr/sbin/mariadbd", "--no-defaults", f"--datadir={data}",
                                f"--socket={self.socket}", f"--pid-file={host.directory}/run/{name}.pid",
                                "--skip-networking", *SMALL,
                                # So that nothing is repaired before it is looked at.
                                "--myisam-recover-options=OFF", "--skip-log-bin"],
                         ["/usr/bin/mariadb", "--no-defaults", f"--socket={self.socket}", "-BN"])


# A transaction of an application: a row more in each table.
TABLES = """CREATE DATABASE app; USE app;
CREATE TABLE a (id INT AUTO_INCREMENT PRIMARY KEY, text VARCHAR(400), KEY (text)) ENGINE=MyISAM;
CREATE TABLE b (id INT AUTO_INCREMENT PRIMARY KEY, text VARCHAR(400), KEY (text)) ENGINE=MyISAM;
CREATE TABLE c (id INT AUTO_INCREMENT PRIMARY KEY, text VARCHAR(400), KEY (text)) ENGINE=InnoDB;
"""
TRANSACTION = """USE app; LOCK TABLES a WRITE, b WRITE, c WRITE;
INSERT INTO a (text) VALUES (CONCAT(RAND(), REPEAT('a', 300)));
INSERT INTO b (text) VALUES (CONCAT(RAND(), REPEAT('b', 300)));
INSERT INTO c (text) VALUES (CONCAT(RAND(), REPEAT('c', 300)));
UNLOCK TABLES;
"""
COUNTS = "SELECT (SELECT COUNT(*) FROM app.a), (SELECT COUNT(*) FROM app.b), (SELECT COUNT(*) FROM app.c);"


def make_mariadb(volume):
    data = give_to_nobody(host.create(volume) and host.path(volume))
    private("run")
    subprocess.run(["/usr/bin/mariadb-install-db", "--no-defaults", f"--datadir={data}", "--user=nobody",
                    "--auth-root-authentication-method=socket", "--skip-test-db", *SMALL],
                   check=True, capture_output=True)
    server = MariaDB(volume, data)
    server.ask(TABLES)
    return server


def faults_of_mariadb(snapshot, number):
    """What is wrong with what a snapshot holds, and how many transactions that is."""
    host.branch(f"mydb/check{number}", **{"from": snapshot})
    server = MariaDB(f"check{number}", host.path(f"mydb/check{number}"))
    faults = [row for row in server.ask("CHECK TABLE app.a, app.b, app.c EXTENDED;")
              if row[2:] != ["status", "OK"]]
    asked = server.try_to_ask(COUNTS)
    counts = asked.stdout.split()
    if asked.returncode or len(set(counts)) != 1:
        faults.append(asked.stderr or counts)
    server.kill()
    return faults, counts


def snapshots_under_load(server):
    """Each after more was written than the one before could have held."""
    taken = []
    for _ in range(SNAPSHOTS):
        before = int(server.ask("SELECT COUNT(*) FROM app.a;")[0][0])
        tap.wait_until(lambda: int(server.ask("SELECT COUNT(*) FROM app.a;")[0][0]) > before + 20,
                       "the tables grow", PATIENCE)
        taken.append(host.snapshot("mydb"))
    return taken


mysql = make_mariadb("mydb")
MYSQL_HOOK = ["hook", "set", "mydb", "mysql", "--set", f"socket={mysql.socket}", "--set", "lock-timeout=300",
              "--required", *PATIENT]


@test
def without_a_hook_myisam_is_inconsistent():
    load = Load(mysql, TRANSACTION)
    taken = snapshots_under_load(mysql)
    load.stop()
    found = (faults_of_mariadb(snapshot["ref"], i)[0] for i, snapshot in enumerate(taken))
    fault = next(filter(None, found), None)
    tap.note(f"without the hook: {fault}")
    true(fault, "a snapshot that was taken without the hook is inconsistent")


@test
def with_the_hook_myisam_is_whole_in_every_snapshot():
    host.run(*MYSQL_HOOK)
    load = Load(mysql, TRANSACTION)
    taken = snapshots_under_load(mysql)
    load.stop()
    last = 0
    for i, snapshot in enumerate(taken):
        equal(snapshot["metadata"], {}, "metadata")
        faults, counts = faults_of_mariadb(snapshot["ref"], 100 + i)
        equal(faults, [], f"what is wrong in snapshot {i}")
        true(int(counts[0]) > last, "each snapshot holds more transactions than the one before")
        last = int(counts[0])
    equal(mysql.ask("SELECT @@global.read_only, COUNT(*) FROM information_schema.processlist"
                    " WHERE state LIKE '%read lock%';"), [["0", "0"]], "what is left of the lock")


@test
def a_rollback_under_a_running_server_is_refused():
    error = host.fails("system", "rollback", "mydb", "--to", "mydb@{latest}",
                       says=[str(mysql.process.pid), "stop it first"], hint="hook unset mydb/trunk mysql")
    equal(error["object"], "mydb/trunk", "object")


@test
def a_server_that_cannot_be_locked_in_time_fails_the_snapshot():
    host.run("hook", "set", "mydb", "mysql", "--set", f"socket={mysql.socket}", "--set", "lock-timeout=1",
             "--required")
    blocker = subprocess.Popen([*mysql.asks, "--unbuffered"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               text=True)
    blocker.stdin.write("LOCK TABLES app.a WRITE; SELECT 'locked';\n")
    blocker.stdin.flush()
    equal(blocker.stdout.readline(), "locked\n", "the blocker")
    host.fails("system", "snapshot", "mydb", says=["'mysql'", "Lock wait timeout", "nothing was changed"])
    blocker.stdin.close()
    blocker.wait(timeout=PATIENCE)
    host.run(*MYSQL_HOOK)  # its session ends a moment after it, and the lock with that
    host.snapshot("mydb")


@test
def the_server_goes_on_when_the_daemon_dies_while_it_is_locked():
    hooks = f"{host.root}/etc/hooks"
    os.makedirs(hooks, exist_ok=True)
    # Runs after "mysql", by its name, and is never ready.
    with open(f"{hooks}/zz-stuck", "w", encoding="utf-8") as file:
        file.write(f"#!/bin/sh\ntouch {host.directory}/stuck\ncat >/dev/null\n")
    os.chmod(f"{hooks}/zz-stuck", 0o755)
    host.run("hook", "set", "mydb", "zz-stuck", *PATIENT)
    asked = threading.Thread(target=lambda: host.try_run("snapshot", "mydb"))
    asked.start()
    tap.wait_until(lambda: os.path.exists(f"{host.directory}/stuck"), "both hooks run")
    waiting = subprocess.Popen(mysql.asks, stdin=subprocess.PIPE, text=True)
    waiting.stdin.write("INSERT INTO app.b (text) VALUES ('it goes on'); DELETE FROM app.b WHERE text = 'it goes on';")
    waiting.stdin.close()
    tap.wait_until(lambda: mysql.ask("SELECT COUNT(*) FROM information_schema.processlist"
                                     " WHERE info LIKE 'INSERT%' AND state LIKE '%lock%'")[0][0] == "1",
                   "a writer waits for the lock")
    host.kill()
    equal(waiting.wait(timeout=PATIENCE), 0, "the writer that waited")
    asked.join(timeout=PATIENCE)
    host.start()
    host.run("hook", "unset", "mydb", "zz-stuck")


@test
def a_stopped_server_needs_no_lock_and_may_be_rolled_back():
    host.run(*MYSQL_HOOK)
    mysql.stop()
    host.snapshot("mydb")
    host.run("rollback", "mydb", "--to", "mydb@{latest}")
    again = MariaDB("mydb", host.path("mydb"))
    equal(len(set(again.ask(COUNTS)[0])), 1, "the counts agree after the rollback")
    again.stop()


# --- PostgreSQL ------------------------------------------------------------------------


def pg_program(name):
    return sorted(glob.glob(f"/usr/lib/postgresql/*/bin/{name}"))[-1]


class PostgreSQL(Server):
    def __init__(self, name, data):
        self.socket = private(f"pg-{name}")
        super().__init__(name, [pg_program("postgres"), "-D", data, "-k", self.socket, "-c", "listen_addresses=",
                                "-c", "shared_buffers=16MB",
                                # So that none is made but those that hooks ask for.
                                "-c", "checkpoint_timeout=1d"],
                         [pg_program("psql"), "-XqAt", "-F", "\t", "-h", self.socket, "-U", "nobody",
                          "-v", "ON_ERROR_STOP=1", "postgres"])

    def rights(self):
        return as_nobody()


BALANCES = """SELECT (SELECT coalesce(sum(abalance), 0) FROM pgbench_accounts) = (SELECT coalesce(sum(delta), 0) FROM pgbench_history),
(SELECT sum(bbalance) FROM pgbench_branches) = (SELECT coalesce(sum(delta), 0) FROM pgbench_history),
(SELECT count(*) FROM pgbench_history);"""


def make_postgresql():
    host.create("pgdb")
    data = f"{host.path('pgdb')}/data"
    os.mkdir(data)
    give_to_nobody(data)
    subprocess.run([pg_program("initdb"), "-D", data, "-U", "nobody", "-A", "peer", "--no-sync"], check=True,
                   capture_output=True, cwd="/", **as_nobody())
    return PostgreSQL("pgdb", data)


pg = make_postgresql()
HOOK = ["hook", "set", "pgdb", "postgresql", "--set", "directory=data", "--set", "user=nobody", "--required",
        *PATIENT]


def pgbench(*arguments, **options):
    return subprocess.Popen([pg_program("pgbench"), "-h", pg.socket, "-U", "nobody", *arguments, "postgres"],
                            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd="/", **as_nobody(),
                            **options)


@test
def postgresql_is_whole_in_every_snapshot():
    making = pgbench("-i", "-q")
    equal(making.wait(timeout=PATIENCE), 0, "pgbench -i")
    host.run(*HOOK)
    load = pgbench("-c", "2", "-T", "600")
    cleanup.record(f"{host.directory}/daemons", load.pid)
    last = 0
    for i in range(2):
        tap.wait_until(lambda: int(pg.ask("SELECT count(*) FROM pgbench_history;")[0][0]) > last + 20,
                       "there are more transactions")
        redo = pg.ask("SELECT redo_lsn FROM pg_control_checkpoint();")
        snapshot = host.snapshot("pgdb")
        true(pg.ask("SELECT redo_lsn FROM pg_control_checkpoint();") != redo, "a checkpoint was made")
        host.branch(f"pgdb/check{i}", **{"from": snapshot["ref"]})
        path = f"{host.path(f'pgdb/check{i}')}/data"
        os.unlink(f"{path}/postmaster.pid")
        server = PostgreSQL(f"check{i}", path)
        accounts, branches, count = server.ask(BALANCES)[0]
        equal((accounts, branches), ("t", "t"), "the balances agree")
        true(int(count) > last, "there are more transactions than in the snapshot before")
        last = int(count)
        server.stop()
    load.terminate()
    load.wait(timeout=PATIENCE)


@test
def postgresql_refuses_a_rollback_while_it_runs():
    host.fails("system", "rollback", "pgdb", "--to", "pgdb@{latest}",
               says=["PostgreSQL (process", "stop it first"], hint=True)


@test
def a_tablespace_outside_of_the_branch_is_found():
    pg.ask(f"CREATE TABLESPACE outside LOCATION '{private('outside')}';")
    host.fails("system", "snapshot", "pgdb", says=["pg_tblspc", "out of the branch", "outside"])
    pg.ask("DROP TABLESPACE outside;")
    host.snapshot("pgdb")


@test
def postgresql_that_does_not_answer_fails_it():
    other = private("nobody-listens")
    host.run(*HOOK, "--set", f"socket={other}")
    host.fails("system", "snapshot", "pgdb", says=["'postgresql'", "does not answer", "nobody-listens"])
    host.run(*HOOK, "--set", "checkpoint=no")
    redo = pg.ask("SELECT redo_lsn FROM pg_control_checkpoint();")
    host.snapshot("pgdb")
    equal(pg.ask("SELECT redo_lsn FROM pg_control_checkpoint();"), redo, "no checkpoint was made")


@test
def settings_that_are_none_are_refused():
    host.run(*HOOK, "--set", "sokcet=x")
    host.fails("system", "snapshot", "pgdb", says="it has no setting 'sokcet'")
    host.run(*HOOK, "--set", "socket=example.com")
    host.fails("system", "snapshot", "pgdb", says="absolute path")
    host.run(*HOOK, "--set", "database=host=example.com")
    host.fails("system", "snapshot", "pgdb", says="'database' is a name alone")
    host.run("hook", "set", "pgdb", "postgresql", "--required", "--set", "directory=../..")
    host.fails("system", "snapshot", "pgdb", says="without '..'")
    os.symlink("/etc", f"{host.path('pgdb')}/link")
    host.run("hook", "set", "pgdb", "postgresql", "--required", "--set", "directory=link")
    host.fails("system", "snapshot", "pgdb", says="leads out of the branch")


@test
def a_stopped_postgresql_is_let_be():
    host.run(*HOOK)
    pg.stop()
    host.snapshot("pgdb")
    host.run("rollback", "pgdb", "--to", "pgdb@{latest}")


if __name__ == "__main__":
    tap.main()
