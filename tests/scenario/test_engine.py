#!/usr/bin/python3
"""Container engines as the daemon asks them: real ones, ones that fail, and what is none."""

import os
import socket
import subprocess
import threading

import engines
import tap
from flocker import BUILD, Host
from tap import equal, test, tests_for, true, wait_until

ASK = str(BUILD / "tests/scenario/ask-engine")
running = {}


class Asking:
    """The daemon's code beside a test, one verb after another."""

    def __init__(self, path, seconds=120):
        self.process = subprocess.Popen([ASK, path, str(seconds)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True)
        tap.finally_(self.process.kill)

    def __call__(self, *words):
        self.process.stdin.write(" ".join(words) + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().rstrip("\n")

    def lines(self, *words):
        found = [self(*words)]
        while found[-1] != "." and not found[-1].startswith("error"):
            found.append(self.process.stdout.readline().rstrip("\n"))
        return found[:-1] if found[-1] == "." else found

    def end(self):
        self.process.stdin.close()
        return self.process.wait(timeout=60)


def engine_of(kind):
    """One for all tests, with a container `one` that runs."""
    if kind not in running:
        running[kind] = kind()
        running[kind].start()
        running[kind].busybox()
        running[kind].start_container("one", "--label", "flocker.branch=data/trunk", "-v", "/srv:/there:ro")
    return running[kind]


def each_engine(function):
    return tests_for(engines.ENGINES, lambda kind: kind.__name__)(function)


@each_engine
def containers_are_told(kind):
    engine = engine_of(kind)
    ask = Asking(engine.socket)
    name, version, api = ask("version").split()
    equal(name, kind.__name__, "the engine")
    true(version in engine.run("version"), f"version {version}")
    true(tuple(map(int, api.split("."))) >= (1, 24), f"API {api}")
    (line,) = ask.lines("list", "all")
    own_name, ident, image, state, mount = line.split(" ")
    equal((own_name, state, mount), ("one", "running", "||/srv|/there"), line)
    equal(ident, engine.inspect("one")["Id"], "its id")
    true("busybox" in image, image)
    equal(ask.lines("list", "label=flocker.branch=data/trunk"), [line], "by its label")
    equal(ask.lines("list", "label=flocker.branch=data/test"), [], "by another's")
    equal(ask.lines("list", "volume=/there"), [], "a path is no volume")
    found = ask("inspect", "one").split()
    equal(found[:3], ["one", "running", str(engine.pid("one"))], "inspected")
    equal(ask("inspect", ident).split()[:2], ["one", "running"], "by its id")
    true(ask("inspect", "nonesuch").startswith("error not-found container 'nonesuch'"), "there is none")
    true(ask("inspect", "../images").startswith("error invalid"), "a path is no name")
    equal(ask.end(), 0, "exit status")


@each_engine
def containers_are_stopped_and_started(kind):
    engine = engine_of(kind)
    ask = Asking(engine.socket)
    equal(ask("watch"), "watching", "events")
    equal((ask("stop", "one"), ask("stop", "one")), ("stopped", "stopped"), "what is so already is a success")
    equal(engine.is_up("one"), False, "it runs")
    equal(ask("await", "die"), "container die one data/trunk", "its end")
    equal(ask("inspect", "one").split()[1:3], ["ended", "0"], "it has no process")
    equal((ask("start", "one"), ask("start", "one")), ("started", "started"), "started again")
    equal(engine.is_up("one"), True, "it runs")
    equal(ask("await", "start"), "container start one data/trunk", "its start")
    true(ask("stop", "nonesuch").startswith("error not-found"), "there is none")
    true(ask("start", "nonesuch").startswith("error not-found"), "there is none")
    true(ask("remove", "one").startswith("error busy"), "one that runs is not removed")


@each_engine
def programs_run_in_containers(kind):
    ask = Asking(engine_of(kind).socket)
    said = ask("run", "one")
    true(said.endswith(" 7"), f"the exit status: {said}")
    for part in ("got hello there", "<2><0><0><0><0><0><0><3>oh<10>"):
        true(part in said, f"{part!r} is not in {said!r}")
    true(ask("run", "nonesuch").startswith("error not-found"), "there is none")


@each_engine
def a_container_may_only_hold_a_volume(kind):
    engine = engine_of(kind)
    ask = Asking(engine.socket)
    made = ask("create", "flocker-data-data")
    equal(made, engine.inspect("flocker-data-data")["Id"], "its id")
    again = ask("create", "flocker-data-data")
    true(again.startswith("error exists"), again)
    equal(ask.lines("volumes", "local"), ["some-volume local"], "volumes")
    equal(ask.lines("volumes", "another"), [], "of another driver")
    (line,) = ask.lines("list", "volume=some-volume")
    true(" ended some-volume|local|" in line, line)
    equal(ask.lines("list", "running")[0].split()[0], "one", "it does not run")
    equal(engine.run("run", "--rm", "--network", "none", "--volumes-from", "flocker-data-data", "busybox",
                     "ls", "-d", "/data"), "/data", "--volumes-from")
    equal(ask("remove", "flocker-data-data"), "removed", "removed")
    true(ask("remove", "flocker-data-data").startswith("error not-found"), "it is gone")
    equal(ask.lines("volumes", "local"), ["some-volume local"], "its volume stays")


@each_engine
def an_engine_may_be_killed(kind):
    engine = engine_of(kind)
    ask = Asking(engine.socket)
    part = "dockerd" if kind is engines.Docker else "service"
    equal((ask("watch"), ask("version").split()[0]), ("watching", kind.__name__), "it answers")
    engine.kill(part)
    true(ask("version").startswith("error unreachable no container engine at"), "nobody listens")
    true(ask("await", "start").startswith("error unreachable"), "its events have an end")
    engine.start()
    equal(ask("version").split()[0], kind.__name__, "it answers again")
    equal(ask("watch"), "watching", "events")
    ask("start", "one")
    equal(engine.is_up("one"), True, "it runs")


def at(path, serve=None, kind=socket.SOCK_STREAM):
    """Something that listens where an engine should be; serve(connection) runs for each that comes."""
    server = socket.socket(socket.AF_UNIX, kind)
    server.bind(path)
    tap.finally_(server.close)
    if kind == socket.SOCK_DGRAM:
        return
    server.listen()

    def accept():
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            if serve:
                serve(connection)
    threading.Thread(target=accept, daemon=True).start()


kept = []
IMPOSTORS = {
    "says nothing": (kept.append, "did not answer within 0.2 s"),
    "a mail server": (lambda c: (c.sendall(b"220 mail ESMTP\r\n"), c.close()), "does not speak Docker's API"),
    "closes": (lambda c: c.close(), "ended the connection"),
    "another web server": (lambda c: (c.recv(4096), c.sendall(b"HTTP/1.1 200 OK\r\nServer: nginx\r\n"
                                                              b"Content-Length: 0\r\n\r\n")),
                           "does not speak Docker's API"),
    "says one byte after another": (lambda c: drip(c), "did not answer within 0.2 s"),
    "never ends its header": (lambda c: c.sendall(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 10000),
                              "longer than 16 KiB"),
}


def drip(connection):
    """Each byte in time, all of them not."""
    def feed():
        try:
            for byte in b"HTTP/1.1 200 OK\r\n" + b"X" * 1000:
                connection.sendall(bytes([byte]))
                threading.Event().wait(0.01)
        except OSError:
            pass
    threading.Thread(target=feed, daemon=True).start()


host = Host()


@tests_for(IMPOSTORS)
def what_listens_is_no_engine(name):
    serve, says = IMPOSTORS[name]
    path = f"{host.directory}/{len(os.listdir(host.directory))}.sock"
    at(path, serve)
    # Who is not waited for long may as well be one who is not let run.
    said = Asking(path, 0.2 if "0.2 s" in says else 120)("version")
    true(said.startswith("error unreachable") and says in said, said)


@test
def where_nobody_listens_that_is_said():
    plain, datagrams = f"{host.directory}/file", f"{host.directory}/datagrams"
    with open(plain, "w", encoding="utf-8"):
        pass
    at(datagrams, kind=socket.SOCK_DGRAM)
    for path, says in ((f"{host.directory}/nonesuch", "there is no such socket"), (plain, "nobody listens there"),
                       (f"{plain}/x", "there is no such socket"), (datagrams, "it is another kind of socket")):
        equal(Asking(path)("version"), f"error unreachable no container engine at {path}: {says}", path)


def use(path):
    host.run("config", "set", "docker.socket", path)
    host.restart()


def status():
    return host.get("/v1/status")["containers"], host.run("status")


@test
def status_says_which_engine_answers():
    host.start()
    host.pool()
    equal(host.get("/v1/status")["containers"], None, "none is configured")
    true("containers" not in host.run("status"), "no line for what is not configured")
    for kind in engines.ENGINES:
        use(engine_of(kind).socket)
        # It has less than a second for its answer, which may be too little for one who is not let run.
        told = wait_until(lambda: (found := host.get("/v1/status")["containers"])["answers"] and found, "it answers")
        equal((told["answers"], told["engine"], told["message"]), (True, kind.__name__, None), "the engine")
        wait_until(lambda k=kind, t=told: f"{k.__name__} {t['version']}" in host.run("status"), "it is shown")
    silent = f"{host.directory}/silent.sock"
    at(silent, kept.append)
    use(silent)
    told, shown = status()
    equal((told["answers"], told["engine"]), (False, None), "it does not answer")
    true("did not answer within 0.9 s" in told["message"] and told["message"] in shown, f"{told} {shown}")
    true("all is well" in shown, "the rest is told all the same")
    use(f"{host.directory}/nonesuch")
    true("no container engine at" in host.run("status"), "there is none")


if __name__ == "__main__":
    tap.main()
