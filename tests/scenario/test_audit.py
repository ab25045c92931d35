#!/usr/bin/python3
"""The audit log: each change leaves one record, refused ones too, and what is changed there is found."""

import json
import os
import pathlib
import re
import subprocess
import sys
import threading

import contract
import tap
from engines import Tree
from flocker import Failure, Gone, Host, MIB
from peers import Peer, free_port
from tap import equal, test, tests_for, true

host = Host()
host.start()
POOL = f"{host.directory}/pool.img"

# What changes something, from the contract: a new route comes by itself, and wants a case below.
OPERATIONS = [(method.upper(), path) for path, item in contract.contract()["paths"].items()
              for method in item]
# They pass on what a command reads that was recorded when it was started.
CARRYING = [("POST", "/v1/system/exec/input"), ("POST", "/v1/system/exec/size")]
CHANGING = [operation for operation in OPERATIONS if operation[0] != "GET" and operation not in CARRYING]


def newest(of=host, count=1):
    return of.get("/v1/audit", limit=count)["items"]


def last_number(of=host):
    records = newest(of)
    return records[0]["number"] if records else 0


def records_of(function, of=host):
    """The records that a function leaves, oldest first."""
    before = last_number(of)
    function()
    return [record for record in of.items("/v1/audit", limit=1000)[::-1] if record["number"] > before]


def one_record(function, of=host):
    records = records_of(function, of)
    equal(len(records), 1, f"number of records: {records}")
    equal((records[0]["uid"], records[0]["pid"]), (os.getuid(), os.getpid()), "who")
    return records[0]


# --- what is recorded ---------------------------------------------------------------

def make_tree():
    """Of a system that does nothing."""
    tree = Tree()
    tree.busybox()
    tree.add("sbin/init", data=b"#!/bin/sh\ntrap 'exit 0' TERM\nsleep 100000 & wait\n")
    host.create("os")
    subprocess.run(["tar", "-C", host.path("os"), "-x"], input=tree.bytes(), check=True)


BESIDE = Peer(host.directory, "beside")
JOIN = {}  # the request's body


def make_peer():
    BESIDE.start()
    BESIDE.make_pool()
    BESIDE.post("/v1/cluster")
    BESIDE.listens()
    BESIDE.create("theirs")
    JOIN["token"] = BESIDE.post("/v1/cluster/tokens")["token"]
    host.call("PATCH", "/v1/setting", {"value": f"127.0.0.1:{free_port()}"}, key="peer.listen")


IMPORT = "0d1f9e6c-8a3b-4c7d-9e2f-5a6b7c8d9e0f"
IMPORTED = f"{host.directory}/imported"

# (method, path): (verb, query or its ref, body, object, message, what is to be done before); in this order.
CASES = {
    ("POST", "/v1/pool"): ("pool create", None, {"kind": "file", "path": POOL, "size": 512 * MIB},
                           POOL, None, None),
    ("POST", "/v1/volumes"): ("create", None, {"name": "data"}, "data", None, None),
    ("PATCH", "/v1/volume"): ("set", "data", {"description": "not in the log"}, "data", None, None),
    ("POST", "/v1/snapshots"): ("snapshot", None, {"refs": ["data"], "name": "first"}, "data",
                                "name first", None),
    ("PATCH", "/v1/snapshot"): ("set", "data@{first}", {"message": "not in the log"}, "data@{first}",
                                None, None),
    ("POST", "/v1/branches"): ("branch", None, {"ref": "data/side", "from": "data@{first}"},
                               "data/side", "from data@{first}", None),
    ("PATCH", "/v1/branch"): ("rename", "data/side", {"name": "other"}, "data/side", "name other",
                              None),
    ("DELETE", "/v1/branch"): ("destroy", "data/other", None, "data/other", None, None),
    ("POST", "/v1/trash/restore"): ("trash restore", None, {"item": "data/other"}, "data/other",
                                    None, None),
    ("POST", "/v1/tags"): ("tag", None, {"ref": "v1@data", "target": "data@{first}"}, "v1@data",
                           "target data@{first}", None),
    ("PATCH", "/v1/tag"): ("rename", "v1@data", {"name": "v2"}, "v1@data", "name v2", None),
    ("DELETE", "/v1/tag"): ("untag", "v2@data", None, "v2@data", None, None),
    ("POST", "/v1/rollbacks"): ("rollback", None, {"ref": "data", "to": "data@{first}"}, "data",
                                "to data@{first}", None),
    ("POST", "/v1/stash/restore"): ("stash restore", None, {"ref": "stash/1@data"}, "stash/1@data",
                                    None, None),
    ("DELETE", "/v1/stash"): ("stash drop", "stash/1@data", None, "stash/1@data", None, None),
    ("POST", "/v1/restores"): ("restore", "data@{back}:back", None, "data@{back}:back", None,
                               lambda: [host.write("data", "back", ""), host.snapshot("data", name="back")]),
    ("POST", "/v1/mounts"): ("mount", None, {"ref": "data@{first}"}, "data@{first}", None, None),
    ("DELETE", "/v1/mounts"): ("unmount", "data@{first}", None, "data@{first}", None, None),
    ("DELETE", "/v1/snapshot"): ("destroy", "data@{second}", None, "data@{second}", None,
                                 lambda: [host.snapshot("data", name=n) for n in ("second", "third")]),
    ("DELETE", "/v1/volume"): ("destroy", "short", None, "short", None, lambda: host.create("short")),
    ("PATCH", "/v1/policy"): ("policy set", "data", {"policy": {"max-count": "9", "keep": ""}}, "data",
                              "keep=, max-count=9", None),
    ("POST", "/v1/hooks"): ("hook set", None, {"ref": "data", "name": "mysql", "settings": {"user": "me"}}, "data",
                            "name mysql, user=me", None),
    ("DELETE", "/v1/hooks"): ("hook unset", {"ref": "data", "name": "mysql"}, None, "data", "name mysql", None),
    ("POST", "/v1/systems"): ("system create", None,
                              {"ref": "os", "settings": {"env.KEY": "secret", "pids": "64"}}, "os",
                              "env.KEY=..., pids=64", make_tree),
    ("PATCH", "/v1/system"): ("system set", "os", {"settings": {"pids": "99"}}, "os", "pids=99", None),
    ("POST", "/v1/system/start"): ("system start", None, {"ref": "os"}, "os", None, None),
    ("POST", "/v1/system/restart"): ("system restart", None, {"ref": "os"}, "os", None, None),
    ("POST", "/v1/system/exec"): ("system exec", None, {"ref": "os", "command": ["echo", "secret"]}, "os",
                                  "command echo", None),
    ("POST", "/v1/system/stop"): ("system stop", None, {"ref": "os"}, "os", None, None),
    ("DELETE", "/v1/system"): ("system destroy", "os", None, "os", None, None),
    ("POST", "/v1/cluster/join"): ("join", None, JOIN, None, None, make_peer),
    ("POST", "/v1/cluster/renewal"): ("ca renew", None, {"peer": "beside"}, "beside", None, None),
    ("DELETE", "/v1/peer"): ("peer remove", {"name": "beside"}, None, "beside", None, None),
    ("POST", "/v1/peers"): ("peer add", None, {"name": "beside", "address": BESIDE.address}, "beside",
                            f"address {BESIDE.address}", None),
    ("POST", "/v1/pushes"): ("push", None, {"ref": "data", "peer": "beside"}, "data", "peer beside", None),
    ("POST", "/v1/verifications"): ("verify", None, {"ref": "data", "peer": "beside"}, "data", "peer beside", None),
    ("DELETE", "/v1/pin"): ("unpin", {"ref": "data", "peer": "beside", "force": "true"}, None, "data",
                            "peer beside", None),
    ("POST", "/v1/fetches"): ("fetch", None, {"ref": "beside/theirs"}, "beside/theirs", None, None),
    ("POST", "/v1/pulls"): ("pull", None, {"ref": "theirs/mine"}, "theirs/mine", None,
                            lambda: host.branch("theirs/mine", **{"from": "beside/theirs/trunk"})),
    ("DELETE", "/v1/cluster"): ("ca leave", None, None, None, None, None),
    ("POST", "/v1/cluster"): ("ca init", None, {}, None, None, None),
    ("POST", "/v1/cluster/tokens"): ("ca token", None, {}, None, None, None),
    ("POST", "/v1/cluster/certificates"): ("ca issue", None, {"role": "read", "id": "anna"}, "anna", "role read",
                                           None),
    ("DELETE", "/v1/cluster/certificate"): ("ca revoke", {"certificate": "anna"}, None, "anna", None, None),
    ("POST", "/v1/thinning"): ("thin", None, {"ref": "data"}, "data", None, None),
    ("POST", "/v1/trash/empty"): ("trash empty", None, {}, None, None, None),
    ("PATCH", "/v1/setting"): ("config set", {"key": "trash.keep"}, {"value": "30d"}, "trash.keep",
                               "value 30d", None),
    ("DELETE", "/v1/setting"): ("config unset", {"key": "trash.keep"}, None, "trash.keep", None,
                                None),
    ("POST", "/v1/imports"): ("import", {"ref": "brought", "directory": IMPORTED, "operation": IMPORT},
                              None, "brought", None, lambda: os.makedirs(IMPORTED)),
    ("POST", "/v1/operation/cancel"): ("operation cancel", None, {"id": IMPORT}, IMPORT, None, None),
    ("POST", "/v1/pool/grow"): ("pool grow", None, {"size": 768 * MIB}, None, None, None),
    ("POST", "/v1/pool/recover"): ("pool recover", None, {}, None, None, None),
}


def check_done(record, verb, thing, message):
    equal({key: record[key] for key in ("verb", "object", "outcome", "message")},
          {"verb": verb, "object": thing, "outcome": "done", "message": message}, "record")


@tests_for(CASES.items(), name=lambda case: " ".join(case[0]))
def what_was_done_leaves_one_record(case):
    (method, path), (verb, ref, body, thing, message, before) = case
    if before:
        before()
    query = ref if isinstance(ref, dict) else {"ref": ref}
    check_done(one_record(lambda: host.call(method, path, body, **query)), verb, thing, message)


@test
def an_adoption_leaves_its_record_with_who_adopts():
    one, two = Host(), Host()
    one.start()
    one.pool(size=256 * MIB)
    one.create("data")
    one.stop()
    two.start()
    path = f"{one.directory}/pool.img"
    record = one_record(lambda: two.post("/v1/pool/adopt", kind="file", path=path), two)
    check_done(record, "pool adopt", path, None)
    # The first's log is in the pool's backup no more than its own.
    two.create("more")
    two.restart()
    equal(two.get("/v1/audit/verification"),
          {"records": 2, "first": 1, "last": 2, "unrecorded": 0, "intact": True, "problem": None}, "verification")
    two.remove()
    one.remove()


@test
def every_route_that_changes_something_has_a_case_here():
    equal(sorted(CASES.keys() | {("POST", "/v1/pool/adopt")}), sorted(CHANGING), "routes with a case")


@tests_for(CHANGING, name=" ".join)
def what_was_refused_for_its_input_leaves_one_record(operation):
    def ask():
        status, _ = host.exchange(*operation, b'{"nonsense": 1}', {"nonsense": "1"})
        equal(status, 400, "status")

    record = one_record(ask)
    equal((record["outcome"], record["object"]), ("invalid", None), "outcome and object")
    true("nonsense" in record["message"], record["message"])
    if operation in CASES:
        equal(record["verb"], CASES[operation][0], "verb")


# These are streams and no JSON: test_archives.py and test_events.py read those.
STREAMS = ("/v1/export", "/v1/events/stream")


@tests_for([path for method, path in OPERATIONS if method == "GET" and path not in STREAMS])
def reading_leaves_none(path):
    equal(records_of(lambda: host.exchange("GET", path, query={"ref": "data"})), [], "records")
    equal(records_of(lambda: host.exchange("GET", path)), [], "records")


@tests_for([("not-found", "DELETE", "/v1/tag", None, "none@data"),
            ("exists", "POST", "/v1/volumes", {"name": "data"}, None),
            ("invalid", "POST", "/v1/volumes", {"name": "-"}, None),
            ("exists", "POST", "/v1/pool", {"kind": "file", "path": "/tmp/x", "size": 1 << 30}, None)],
           name=str)
def what_the_engine_refused_leaves_one_record(case):
    code, method, path, body, ref = case
    told = []

    def ask():
        try:
            host.call(method, path, body, ref=ref)
        except Failure as failure:
            told.append(failure.message)

    record = one_record(ask)
    equal((record["outcome"], record["message"]), (code, told[0]), "outcome and message")


@test
def nonsense_fills_no_log():
    for ask in (lambda: host.post("/v1/volumes", name="é" * 30000),
                lambda: host.call("PATCH", "/v1/setting", {"value": "1"}, key="é" * 2100)):
        def refused(ask=ask):
            try:
                ask()
            except Failure:
                pass

        thing = one_record(refused)["object"]
        true(2040 < len(thing) < 2060 and thing.strip("é") == "...", f"object: {thing!r}")


@test
def a_busy_branch_leaves_the_reason():
    with open(f"{host.path('data')}/open", "w", encoding="utf-8"):
        def ask():
            try:
                host.delete("/v1/mounts", ref="data")
            except Failure as failure:
                equal(failure.code, "busy", "code")
        record = one_record(ask)
    equal((record["verb"], record["outcome"]), ("unmount", "busy"), "verb and outcome")


@test
def renaming_a_volume_is_called_so():
    host.create("before")
    record = one_record(lambda: host.patch("/v1/volume", "before", name="after"))
    check_done(record, "rename", "before", "name after")


@test
def a_quota_is_recorded_with_its_size():
    record = one_record(lambda: host.create("limited", quota=64 * MIB))
    check_done(record, "create", "limited", f"quota {64 * MIB}")
    record = one_record(lambda: host.patch("/v1/volume", "limited", quota=0))
    check_done(record, "set", "limited", "quota 0")


@test
def a_command_is_recorded_with_its_process():
    host.run("snapshot", "data", "--name", "by-command")
    record = newest()[0]
    true(record["pid"] != os.getpid() and record["uid"] == os.getuid(), f"who: {record}")
    equal(record["verb"], "snapshot", "verb")


# --- the command ----------------------------------------------------------------------

@test
def the_command_lists_newest_first():
    records = host.json("audit")
    equal([r["number"] for r in records], list(range(len(records), 0, -1)), "numbers")
    equal(host.json("audit", "-n", "3"), records[:3], "--count")
    lines = host.run("audit", "-n", "2").splitlines()
    equal(len(lines), 2, "lines")
    user = subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()
    equal(lines[0].split()[:3], [str(records[0]["number"]), records[0]["time"], user], "a line")
    host.fails("invalid", "audit", "-n", "x", says="records")
    host.fails("invalid", "audit", "-n", "1", "--verify")


@test
def pages_join_to_the_whole():
    equal(host.items("/v1/audit", limit=7), host.items("/v1/audit", limit=1000), "all records")
    for bad in ("x", "0", "-1", "1" * 19):
        equal(host.exchange("GET", "/v1/audit", query={"after": bad})[0], 400, f"after={bad}")


@test
def an_untouched_log_is_intact():
    last = last_number()
    equal(host.json("audit", "--verify"),
          {"records": last, "first": 1, "last": last, "unrecorded": 0, "intact": True, "problem": None}, "report")
    true(f"intact: {last} records" in host.run("audit", "--verify"), "text")


@test
def a_stranger_can_check_it_as_the_page_says():
    page = pathlib.Path(__file__).resolve().parents[2] / "man/flocker-audit.5.scd"
    program = re.findall(r"^```\n(import.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S)[0]
    log = pathlib.Path(f"{host.root}/lib/audit/000001.log")
    subprocess.run([sys.executable, "-c", program, log], check=True)
    bad = pathlib.Path(f"{host.directory}/bad.log")
    bad.write_bytes(log.read_bytes().replace(b'"object":"data"', b'"object":"date"', 1))
    ran = subprocess.run([sys.executable, "-c", program, bad], capture_output=True, check=False)
    true(ran.returncode != 0, "a changed line is found")


# --- crashes ----------------------------------------------------------------------------

@test
def killing_the_daemon_loses_no_record_of_what_was_answered():
    answered, enough = [], threading.Event()

    def work(number):
        try:
            for count in range(100000):
                answered.append(host.snapshot("data", name=f"k{number}-{count}")["name"])
                if len(answered) >= 40:
                    enough.set()
        except (Gone, OSError):
            pass

    for _ in range(3):
        answered.clear()
        enough.clear()
        threads = [threading.Thread(target=work, args=(f"{last_number()}-{i}",)) for i in range(4)]
        for thread in threads:
            thread.start()
        true(enough.wait(300), "snapshots are taken")
        host.kill()
        for thread in threads:
            thread.join(300)
        host.start()
        recorded = {r["message"] for r in host.items("/v1/audit", limit=1000) if r["outcome"] == "done"}
        equal({f"name {name}" for name in answered} - recorded, set(), "answered, not recorded")
        equal(host.get("/v1/audit/verification")["problem"], None, "problem")


# --- tampering; each on a host of its own -------------------------------------------------

def small_host():
    other = Host()
    other.start()
    other.pool(size=256 * MIB)
    for name in ("a", "b", "c"):
        other.create(name)
    return other, pathlib.Path(f"{other.root}/lib/audit/000001.log")


def check_broken(of, number, says):
    error = of.try_run("audit", "--verify")
    equal(error.status, 12, str(error))
    true(f"record {number}" in error.err and says in error.err, str(error))
    report = of.try_run("audit", "--verify", "--json")
    equal(report.status, 12, str(report))
    equal((json.loads(report.out)["intact"], json.loads(report.out)["problem"]["number"]),
          (False, number), "report")


@test
def an_edited_line_is_found():
    other, log = small_host()
    text = log.read_bytes()
    log.write_bytes(text.replace(b'"object":"b"', b'"object":"x"'))
    check_broken(other, 3, "was changed")
    other.stop()
    other.start()
    check_broken(other, 3, "was changed")
    other.remove()


@test
def a_cut_end_is_found_and_stays_so():
    other, log = small_host()
    other.stop()
    log.write_bytes(b"".join(log.read_bytes().splitlines(True)[:2]))
    other.start()
    check_broken(other, 3, "the catalogue remembers record 4")
    for name in ("d", "e", "f", "g"):
        other.create(name)
    tap.wait_until(lambda: any(r["verb"] == "audit" and r["outcome"] == "corrupt"
                               for r in newest(other, 10)), "the log has a record of it")
    check_broken(other, 4, "replaced")
    other.restart()
    check_broken(other, 4, "replaced")
    other.remove()


@test
def a_log_that_is_gone_is_found():
    other, log = small_host()
    other.stop()
    log.unlink()
    other.start()
    check_broken(other, 1, "the catalogue remembers record 4")
    other.remove()


@test
def a_log_that_cannot_be_written_is_told_and_counted():
    other = Host()
    audit = pathlib.Path(f"{other.root}/lib/audit")
    audit.parent.mkdir(mode=0o700)
    audit.write_text("no directory", encoding="utf-8")
    other.start()
    other.pool(size=256 * MIB)
    other.create("a")
    health = other.get("/v1/health")
    equal(health["status"], "degraded", "health")
    true("audit log" in health["reason"] and health["hint"], f"reason: {health}")
    told = other.run("pool", "show"), other.run("version")
    true(all(health["reason"] in text and health["hint"] in text for text in told), f"told: {told}")
    equal(other.json("version")["health"], health, "version --json")
    audit.unlink()
    equal(other.get("/v1/audit/verification")["unrecorded"], 2, "unrecorded")
    true("the last 2 changes" in other.try_run("audit", "--verify").err, "told by the command")
    other.create("b")
    equal(other.get("/v1/health")["status"], "ok", "health")
    true("degraded" not in other.run("pool", "show") + other.run("version"), "no longer told")
    records = newest(other, 10)
    equal([(r["verb"], r["object"]) for r in records], [("create", "b"), ("audit", None)], "records")
    true("2 records could not be written" in records[1]["message"], records[1]["message"])
    other.remove()


if __name__ == "__main__":
    tap.main()
