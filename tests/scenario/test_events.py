#!/usr/bin/python3
"""What happens, as a list and as it comes."""

import http.client
import itertools
import json
import select
import signal
import socket
import subprocess

from flocker import COMMAND, host_with_pool
from tap import equal, in_threads, main, test, true, wait_until

host = host_with_pool()


def listed():
    return json.loads(host.run("events", "--json"))


class Stream:
    """A connection to the stream of events."""

    def __init__(self, after=None):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(60)
        self.socket.connect(f"{host.root}/run/flocker.sock")
        self.socket.sendall(b"GET /v1/events/stream HTTP/1.1\r\nHost: localhost\r\n" +
                            (f"Last-Event-ID: {after}\r\n" if after else "").encode() + b"\r\n")
        self.answer = http.client.HTTPResponse(self.socket)
        self.answer.begin()
        equal(self.answer.getheader("Content-Type"), "text/event-stream", "its type")
        true(self.answer.readline().startswith(b":"), "a comment comes first")
        self.answer.readline()

    def event(self):
        fields = {}
        while True:
            line = self.answer.readline().decode().rstrip("\n")
            if not line:
                return fields["event"], json.loads(fields["data"]), fields.get("id")
            key, _, value = line.partition(": ")
            fields[key] = value


@test
def changes_are_listed():
    host.run("create", "data")
    host.run("snapshot", "data")
    host.fails("exists", "create", "data")
    host.run("ls", "data")
    found = listed()
    equal([(e["kind"], e["object"]) for e in found[-2:]], [("create", "data"), ("snapshot", "data")],
          "what was done, and neither what was refused nor what only looks")
    equal([e["number"] for e in found], list(range(1, len(found) + 1)), "numbers")
    equal(host.get("/v1/events", after=str(found[-2]["number"]))["items"], found[-1:], "after one")
    page = host.get("/v1/events", limit=1)
    equal((page["items"], page["next"]), (found[:1], "1"), "a page")


@test
def a_stream_tells_them_as_they_come():
    streams = [Stream(), Stream()]
    host.run("create", "told")
    for stream in streams:
        kind, data, number = stream.event()
        equal((kind, data["object"], number), ("create", "told", str(data["number"])), "an event")
        stream.socket.close()


names = (f"v{number}" for number in itertools.count())


def await_listening(reader):
    """Until it listens nothing reaches it."""
    def is_told():
        host.run("create", next(names))
        return select.select([reader.stdout], [], [], 0.1)[0]

    wait_until(is_told, "it is told what happens")


@test
def the_command_follows():
    reader = subprocess.Popen([COMMAND, "--root", host.root, "events", "--follow", "--json"],
                              stdout=subprocess.PIPE, text=True)
    await_listening(reader)
    host.run("create", "last")
    seen = []
    while not seen or seen[-1]["object"] != "last":
        seen.append(json.loads(reader.stdout.readline()))
    true(all(e["kind"] == "create" for e in seen), "only what happened")
    reader.send_signal(signal.SIGINT)
    reader.wait(timeout=60)


def empty_the_trash(times):
    """A change each time, and a cheap one; on one connection."""
    connection = http.client.HTTPConnection("localhost", timeout=60)
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(f"{host.root}/run/flocker.sock")
    for _ in range(times):
        connection.request("POST", "/v1/trash/empty", "{}")
        answer = connection.getresponse()
        answer.read()
        equal(answer.status, 200, "emptying the trash")
    connection.close()


@test
def who_does_not_read_holds_up_nobody():
    slow = Stream()
    in_threads([lambda: empty_the_trash(2000)] * 3)
    equal(len(listed()), 256, "the newest are kept")
    kinds = [slow.event()[0] for _ in range(100)]
    equal(set(kinds), {"trash empty"}, "it reads on")
    while kinds[-1] != "lost":
        empty_the_trash(1)
        kinds.append(slow.event()[0])
    true(len(kinds) < 6000, "it was told what it missed")
    slow.socket.close()


@test
def who_comes_back_is_told_what_was_missed():
    newest = listed()[-1]["number"]
    host.run("create", "meanwhile")
    back = Stream(after=newest)
    kind, data, number = back.event()
    equal((kind, data["object"], number), ("create", "meanwhile", str(newest + 1)), "what was missed")
    host.run("create", "afterwards")
    equal(back.event()[1]["object"], "afterwards", "and then as it comes")
    back.socket.close()
    long_gone = Stream(after=1)
    equal(long_gone.event()[0], "lost", "it is not all kept")
    told = [long_gone.event()[1] for _ in range(256)]
    equal(told, listed(), "what is")
    long_gone.socket.close()
    of_another_run = Stream(after=newest + 1000000)
    equal([of_another_run.event()[0], of_another_run.event()[1]], ["lost", listed()[0]], "numbers begin anew")
    of_another_run.socket.close()
    equal(host.get("/v1/health")["status"], "ok", "health")


@test
def streams_leave_a_connection_to_others():
    host.run("create", "read")
    host.write("read", "large", "x" * (4 << 20))
    host.run("config", "set", "http.connections", "4")
    host.restart()
    reader = subprocess.Popen([COMMAND, "--root", host.root, "cat", "read:large"], stdout=subprocess.PIPE)
    reader.stdout.read(1)
    streams = [Stream(), Stream()]
    host.fails("busy", "events", "--follow", says="connections", hint="http.connections")
    host.fails("busy", "cat", "read:large")
    host.run("list")
    streams.pop().socket.close()
    wait_until(lambda: host.try_run("cat", "read:large").status == 0, "its place is free again")
    equal(len(reader.stdout.read()), (4 << 20) - 1, "the first reader's file")
    equal(reader.wait(timeout=60), 0, "the first reader")
    streams.pop().socket.close()
    host.run("config", "unset", "http.connections")
    host.restart()


@test
def a_stop_ends_streams():
    reader = subprocess.Popen([COMMAND, "--root", host.root, "events", "--follow"],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    await_listening(reader)
    stream = Stream()
    host.stop()
    try:
        equal(stream.answer.read(1), b"", "its end")
    except http.client.IncompleteRead:
        pass  # cut, as it has no end of its own
    reader.wait(timeout=60)
    true(reader.returncode != 0 and "daemon" in reader.stderr.read(), "it says so")
    host.start()
    equal(listed(), [], "a new run begins anew")


if __name__ == "__main__":
    main()
