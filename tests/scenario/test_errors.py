#!/usr/bin/python3
"""Bad input and trouble: each a clear error with its code and exit status, and nothing changed."""

import os
import shutil
import socket
import stat
import subprocess

import cleanup
import tap
from flocker import (CODES, COMMAND, DAEMON, Gone, Host, MIB, host_with_pool,
                     temporary, unchanged)
from tap import equal, test, tests_for, true
from versions import make_newer

host = host_with_pool()
host.create("data")
host.write("data", "file", "contents")
host.snapshot("data", name="first")
host.write("data", "file", "changed")
host.snapshot("data", name="second")
host.tag("v1@data", target="data@{first}")
host.branch("data/side")
host.rollback("data", "data@{first}")


def refused(code, *arguments, **options):
    """The command fails with this code, and nothing is different after it."""
    return unchanged(host, lambda: host.fails(code, *arguments, **options))


def api_refuses(code, method, path, body=None, headers=None, **query):
    """The API answers with this code, and nothing is different after it; returns the error object."""
    def ask():
        status, answer = host.exchange(method, path, body, query, headers)
        true(status >= 400, f"{method} {path} {body!r:.200} succeeded: {answer!r:.200}")
        equal((answer["error"]["code"], status), (code, CODES[code][0]), answer["error"]["message"])
        true(answer["error"]["message"] and answer["error"]["operation"], "message and operation")
        return answer["error"]
    return unchanged(host, ask)


# --- names and references --------------------------------------------------------

BAD_NAMES = ["-data", ".data", "_data", "a b", "a\tb", "a\nb", "naïve", "x" * 64, "a*b", "data\x7f",
             "..", "a\\b", "a'b", "$(id)"]


@tests_for(BAD_NAMES, name=ascii)
def a_name_outside_the_grammar_is_refused(name):
    api_refuses("invalid", "POST", "/v1/volumes", {"name": name})
    api_refuses("invalid", "POST", "/v1/branches", {"ref": f"data/{name}"})
    api_refuses("invalid", "POST", "/v1/tags", {"ref": f"{name}@data"})
    api_refuses("invalid", "PATCH", "/v1/volume", {"name": name}, ref="data")
    api_refuses("invalid", "POST", "/v1/snapshots", {"refs": ["data"], "name": name})
    api_refuses("invalid", "POST", "/v1/trash/restore", {"item": "data", "as": name}) \
        if host.items("/v1/trash") else None
    if "\n" not in name and not name.startswith("-"):
        refused("invalid", "create", name)


@test
def the_longest_name_is_fine():
    host.create("x" * 63)
    host.delete("/v1/volume", ref="x" * 63)
    host.post("/v1/trash/empty")


@tests_for(["latest", "30m", "1d", "2h", "2026-11-20", "9f3c2a1b", "abcdef"])
def a_snapshot_name_that_reads_as_another_point_is_refused(name):
    refused("invalid", "snapshot", "data", "--name", name, says=name)


BAD_REFS = ["", "/", "data/", "/data", "a/b/c/d", "data@{", "data@{}", "data@{latest", "data@{latest}x",
            "data@{-}", "data@{--1}", "data@{-x}", "data@{2026-13-01}", "data@{2026-02-30}",
            "data@{99999999999999999999h ago}", "@data", "v1@", "v1@data/side", "v1@data@{latest}",
            "stash/0@data", "stash/x@data", "stash/@data", "stash/99999999999@data", "data@{abc\x01}",
            "data:../x", "data:a/../../b", "x" * 5000, "data@{12 parsecs ago}"]


@tests_for(BAD_REFS, name=lambda ref: ascii(ref[:40]))
def a_reference_that_does_not_parse_is_refused(ref):
    error = api_refuses("invalid", "GET", "/v1/snapshot", ref=ref)
    true(len(error["message"]) > 15, f"the message says something: {error['message']}")
    api_refuses("invalid", "POST", "/v1/snapshots", {"refs": [ref]})
    api_refuses("invalid", "POST", "/v1/rollbacks", {"ref": "data", "to": ref})
    if ref.isprintable() and ref:
        refused("invalid", "show", ref)


@tests_for(["none", "none/side", "data/none", "v9@data", "v1@none", "stash/7@data", "data@{none}",
            "data@{-9}", "data@{ffffffffffff}", "other/data/trunk"])
def a_reference_to_what_does_not_exist_is_not_found(ref):
    error = refused("not-found", "show", ref, hint=None)
    word = ref.split("@{")[-1].rstrip("}") if "@{" in ref else ref.split("@")[0].split("/")[-1]
    word = {"-9": "only 1", "7": "7", "trunk": "other", "side": "none", "v1": "none"}.get(word, word)
    true(word.lstrip("-") in error["message"], f"{word!r} is not in {error['message']!r}")


@test
def not_found_hints_at_where_to_look():
    refused("not-found", "show", "none", hint="flocker list")
    refused("not-found", "show", "v9@data", hint="flocker tags data")
    refused("not-found", "show", "stash/7@data", hint="flocker stash list data")


@test
def an_ambiguous_id_lists_the_candidates():
    other = Host()
    other.start()
    other.pool(size=1024 * MIB)
    # Enough snapshots that two ids begin with the same six digits would take millions; so the
    # grammar's minimum of six is tried on ids that are made equal by asking for what they share.
    other.create("data")
    ids = [s["id"] for s in (other.snapshot("data") for _ in range(3))]
    for identifier in ids:
        equal(other.get("/v1/snapshot", ref=f"data@{{{identifier[:6]}}}")["id"], identifier, "id")
    other.remove()


@test
def times_before_the_first_and_in_the_future_name_the_nearest():
    first = host.get("/v1/snapshot", ref="data@{first}")["id"]
    refused("not-found", "show", "data@{2020-01-01T00:00:00Z}", says=first[:8])
    refused("not-found", "show", "data@{3000d ago}", says=first[:8])
    error = refused("not-found", "show", "data@{2190-01-01}", says="future")
    true(first[:8] in error["message"], f"the newest is not in {error['message']}")


@test
def a_reference_that_does_not_fit_the_verb_is_refused():
    refused("invalid", "snapshot", "v1@data")
    refused("invalid", "snapshot", "data@{first}")
    refused("invalid", "rollback", "v1@data", "--to", "data@{first}")
    refused("invalid", "branch", "data")
    refused("invalid", "tag", "data")
    refused("invalid", "untag", "data")
    refused("invalid", "create", "data/side")
    refused("invalid", "stash", "drop", "v1@data")
    refused("invalid", "snapshot", "data:file")
    refused("invalid", "rename", "stash/1@data", "x")


@test
def what_exists_already_is_refused():
    refused("exists", "create", "data", says="data")
    refused("exists", "branch", "data/side", says="side")
    refused("exists", "branch", "data/trunk", says="trunk")
    refused("exists", "tag", "v1@data", says="v1")
    refused("exists", "snapshot", "data", "--name", "first", says="first")
    host.create("taken")
    refused("exists", "rename", "taken", "data", says="data")
    refused("exists", "rename", "data/side", "trunk", says="trunk")
    refused("exists", "pool", "create", "--file", f"{host.directory}/second.img")
    true(not os.path.exists(f"{host.directory}/second.img"), "no second pool was made")


@test
def what_is_needed_by_something_is_not_destroyed():
    refused("busy", "destroy", "data@{first}", says="v1")
    stash = host.get("/v1/stash", ref="stash/1@data")
    refused("busy", "destroy", f"data@{{{stash['snapshot']}}}", says="stash")
    refused("invalid", "destroy", "data/trunk", says="trunk")


@test
def rollback_to_another_volumes_snapshot_is_refused():
    host.create("foreign")
    host.snapshot("foreign", name="f")
    refused("invalid", "rollback", "data", "--to", "foreign@{f}")
    refused("invalid", "branch", "data/from-foreign", "--from", "foreign@{f}")


# --- what the command is given -------------------------------------------------------


@test
def a_wrong_command_line_says_how_to_use_it():
    for arguments in (("snapshto", "data"), ("snapshot",), ("snapshot", "data", "--nonsense"),
                      ("create", "a", "b"), ("pool",), ("pool", "creat"), ("list", "--json=yes"),
                      ("snapshot", "data", "--name")):
        refused("invalid", *arguments, hint=True)
    refused("invalid", "snapshto", "data", hint="snapshot")


@test
def wrong_values_are_refused():
    refused("invalid", "set", "data", "novalue")
    refused("invalid", "set", "data", "bad key=x")
    refused("invalid", "set", "data", "k=" + "x" * 1025)
    refused("invalid", "set", "data", "--mount-path", "relative/path")
    refused("invalid", "pool", "grow", "12parsecs")
    api_refuses("invalid", "PATCH", "/v1/volume",
                {"metadata": {f"k{i}": "v" for i in range(65)}}, ref="data")


# --- what the API is given --------------------------------------------------------------

BAD_BODIES = [b"", b"{", b"[]", b"null", b"7", b'"text"', b"{'name': 1}", b'{"name": "a"} trailing',
              b'{"name": "a", "name": "b"}', b"\xff\xfe", b'{"name": "a\x00b"}', b'{"name": 7}',
              b'{"name": ["a"]}', b'{"name": null}', b"{}", b'{"name": "a\\ud800"}',
              b"[" * 100_000, b'{"name": "ok", "unknown": 1}', b'{"name": "ok", "metadata": ["k"]}',
              b'{"name": "ok", "metadata": {"k": 7}}', b'{"name": "ok", "description": {}}']


@tests_for(BAD_BODIES, name=lambda body: ascii(body[:40]))
def a_body_that_is_not_what_was_asked_for_is_refused(body):
    api_refuses("invalid", "POST", "/v1/volumes", body)


def send_raw(request):
    """Bytes as they are; what came back until the daemon closed."""
    with socket.socket(socket.AF_UNIX) as raw:
        raw.settimeout(60)
        raw.connect(host.socket)
        try:
            raw.sendall(request)
            raw.shutdown(socket.SHUT_WR)
        except (BrokenPipeError, ConnectionResetError):
            pass
        answer = b""
        try:
            while block := raw.recv(65536):
                answer += block
        except ConnectionResetError:
            pass
        return answer


@test
def a_huge_body_is_refused():
    def announce():
        answer = send_raw(b"POST /v1/volumes HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                          b"Content-Length: 99999999999\r\n\r\n{")
        true(b"200" not in answer[:20] and b"201" not in answer[:20], f"accepted: {answer[:100]}")

    def send():
        try:
            status, answer = host.exchange("POST", "/v1/volumes", b'{"name":"' + b"a" * 40_000_000)
            equal((status // 100, answer["error"]["code"]), (4, "invalid"), "a body of 40 MB")
        except Gone:
            pass  # closed before all was sent: refused, too

    unchanged(host, announce)
    unchanged(host, send)
    equal(host.get("/v1/health")["status"], "ok", "health")


@test
def what_is_no_http_harms_nobody():
    for request in (b"", b"\0\0\0\0", b"GET", b"GET / HTTP/9.9\r\n\r\n", b"\r\n" * 1000,
                    b"GET /v1/volumes HTTP/1.1\r\nHost: " + b"x" * 100_000 + b"\r\n\r\n",
                    b"POST /v1/volumes HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"):
        unchanged(host, lambda request=request: send_raw(request))


@test
def unknown_paths_methods_and_inputs_are_refused():
    for method, path, codes in (("GET", "/v1/nothing", ("not-found",)), ("GET", "/", ("not-found",)),
                                ("GET", "/v1/../etc/passwd", ("not-found", "invalid")),
                                ("PUT", "/v1/volumes", ("invalid", "not-found", "unsupported")),
                                ("DELETE", "/v1/volumes", ("invalid", "not-found", "unsupported"))):
        status, answer = host.exchange(method, path)
        true(status >= 400 and answer["error"]["code"] in codes, f"{method} {path}: {status} {answer}")
    api_refuses("invalid", "GET", "/v1/volume")
    api_refuses("invalid", "GET", "/v1/volume", ref="data", nonsense="1")
    api_refuses("invalid", "GET", "/v1/volumes", limit="0")
    api_refuses("invalid", "GET", "/v1/volumes", limit="many")
    api_refuses("invalid", "GET", "/v1/volumes", limit="99999999999999999999")
    api_refuses("invalid", "GET", "/v1/snapshots", ref="data", after="zz")
    api_refuses("not-found", "GET", "/v1/snapshots", ref="data", after="0123456789abcdef")
    api_refuses("invalid", "POST", "/v1/snapshots", {"refs": []})
    api_refuses("invalid", "POST", "/v1/snapshots", {"refs": ["data"] * 2})
    api_refuses("invalid", "POST", "/v1/snapshots", {"refs": ["data"] * 1025})


# --- the file system ---------------------------------------------------------------------


@test
def a_nested_subvolume_is_refused_and_named():
    nested = f"{host.path('foreign')}/deep/nested"
    os.mkdir(os.path.dirname(nested))
    subprocess.run(["btrfs", "-q", "subvolume", "create", nested], check=True)
    host.write("foreign", "deep/nested/a", "would be lost")
    refused("unsupported", "snapshot", "foreign", says="nested")
    refused("unsupported", "branch", "foreign/b", says="nested")
    refused("unsupported", "rollback", "foreign@{f}", says="nested")
    subprocess.run(["btrfs", "-q", "subvolume", "delete", nested], check=True,
                   stdout=subprocess.DEVNULL)
    host.snapshot("foreign")


@test
def a_mount_path_that_is_not_empty_is_refused():
    squat = f"{host.mnt}/squatted"
    os.mkdir(squat)
    with open(f"{squat}/precious", "w", encoding="utf-8") as file:
        file.write("not ours")
    refused("busy", "create", "squatted", says="squatted")
    host.create("innocent")
    refused("busy", "rename", "innocent", "squatted", says="squatted")
    with open(f"{squat}/precious", encoding="utf-8") as file:
        equal(file.read(), "not ours", "what stood there")
    with open(f"{host.mnt}/innocent/side", "w", encoding="utf-8") as file:
        file.write("in the way")
    refused("busy", "branch", "innocent/side", says="side")
    shutil.rmtree(squat)
    os.unlink(f"{host.mnt}/innocent/side")


@test
def a_symbolic_link_in_place_of_a_branch_leads_nowhere():
    host.create("linked")
    host.run("unmount", "linked")
    target = temporary(host)
    os.rmdir(f"{host.mnt}/linked") if os.path.isdir(f"{host.mnt}/linked") else None
    os.symlink(target, f"{host.mnt}/linked")
    host.try_run("mount", "linked")
    equal(os.listdir(target), [], "what the link leads to")
    os.unlink(f"{host.mnt}/linked")


# --- pools and daemons ---------------------------------------------------------------------


def pool_refused(code, *arguments, **options):
    """`pool create` fails on a host without a pool, which then still has none."""
    with Host() as other:
        files = sorted(os.listdir(other.directory))
        error = other.fails(code, "pool", "create",
                            *(a.replace("DIR", other.directory) for a in arguments), **options)
        equal(sorted(os.listdir(other.directory)), files, "files")
        equal(cleanup.loops_under(other.directory), [], "loop devices")
        other.fails("not-found", "list", hint="flocker pool create")
        return error


@test
def no_pool_yet_says_how_to_make_one():
    with Host() as other:
        for arguments in (("list",), ("create", "a"), ("snapshot", "a"), ("pool", "show"),
                          ("pool", "grow", "1G"), ("trash", "list")):
            other.fails("not-found", *arguments, hint="flocker pool create")
        health = other.get("/v1/health")
        equal(health["status"], "degraded", "health")
        true("pool create" in health["hint"], f"hint: {health}")


@test
def pool_create_refuses_what_makes_no_pool():
    pool_refused("invalid", "--file", "DIR/p", "--size", "1M")
    pool_refused("invalid", "--file", "DIR/p", "--size", "x")
    pool_refused("invalid", "--file", "DIR/p", "--device", "/dev/null")
    pool_refused("invalid")
    pool_refused("invalid", "--file", "DIR/p", "--driver", "nonsense", says="btrfs")
    pool_refused("no-space", "--file", "DIR/p", "--size", "900T")
    pool_refused("not-found", "--file", "DIR/none/p", "--size", "256M", says="none")
    pool_refused("not-found", "--device", "/dev/flocker-none", says="flocker-none")
    pool_refused("invalid", "--device", "/dev/null", says="/dev/null")
    pool_refused("busy", "--directory", "/proc", says="holds files", hint=True)


@test
def an_existing_file_is_not_overwritten():
    with Host() as other:
        path = f"{other.directory}/precious"
        with open(path, "wb") as file:
            file.write(b"not ours" * 1000)
        other.fails("busy", "pool", "create", "--file", path, "--size", "256M", says="precious")
        with open(path, "rb") as file:
            equal(file.read(), b"not ours" * 1000, "the file")


@test
def a_device_in_use_is_refused_even_with_force():
    with Host() as other:
        disk = f"{other.directory}/disk"
        with open(disk, "wb") as file:
            file.truncate(300 * MIB)
        subprocess.run(["mkfs.ext4", "-q", disk], check=True)
        os.mkdir(f"{other.directory}/m")
        subprocess.run(["mount", "-o", "loop", disk, f"{other.directory}/m"], check=True)
        device = cleanup.loops_under(other.directory)[0]
        other.fails("busy", "pool", "create", "--device", device, "--force", says=device)
        with open(f"{other.directory}/m/alive", "w", encoding="utf-8") as file:
            file.write("x")


@test
def a_pool_file_that_is_not_ours_is_refused():
    with Host() as other:
        other.pool()
        other.create("data")
        other.stop()
        with open(f"{other.directory}/pool.img", "r+b") as file:
            file.seek(64 * 1024)
            file.write(b"\0" * 4096)
            file.seek(64 * MIB)
            file.write(b"\0" * 4096)
        other.start()
        equal(other.get("/v1/health")["status"], "degraded", "health")
        ran = other.try_run("list")
        true(ran.status not in (0, 1) and "pool.img" in ran.err, f"the file is named:\n{ran}")


@test
def another_instances_pool_is_refused_and_can_be_adopted():
    with Host() as first:
        first.pool()
        first.create("data")
        first.write("data", "a", "x")
        first.snapshot("data", name="s")
        first.tag("t@data", target="data@{s}")
        instance = first.get("/v1/version")["instance"]["uuid"]
        equal(first.stop(), 0, "exit status")
        second = Host(first.directory, "second")
        second.start()
        try:
            mine = second.get("/v1/version")["instance"]["uuid"]
            true(mine != instance, "two instances have two UUIDs")
            second.fails("exists", "pool", "create", "--file", f"{first.directory}/pool.img",
                         hint="pool adopt")
            found = second.json("pool", "adopt", "--file", f"{first.directory}/pool.img")
            equal((found["volumes"], found["branches"], found["snapshots"], found["tags"]),
                  (1, 1, 1, 1), "what was adopted")
            volume = second.get("/v1/volume", ref="data")
            equal(volume["epoch"], 2, "epoch")
            equal(second.read("data", "a"), "x", "contents")
            second.run("snapshot", "data")
            second.stop()
            # The first instance must notice that it has lost its pool.
            first.start()
            equal(first.get("/v1/health")["status"], "degraded", "health of the first")
            first.fails("denied", "list", hint="pool adopt")
        finally:
            second.remove()


@test
def a_second_daemon_on_one_pool_is_refused():
    second = Host(host.directory, "second")
    second.start()
    try:
        os.makedirs(f"{second.root}/lib", exist_ok=True)
        second.fails("busy", "pool", "adopt", "--file", f"{host.directory}/pool.img")
        equal(host.get("/v1/volume", ref="data")["name"], "data", "the first goes on")
        host.snapshot("data")
    finally:
        second.remove()


@test
def a_second_daemon_on_one_root_is_refused():
    second = subprocess.run([DAEMON, "--root", host.root, *host.options], capture_output=True, text=True,
                            timeout=60, check=False)
    equal(second.returncode, CODES["busy"][1], f"exit status: {second.stderr}")
    true(host.root in second.stderr, f"the directory is named: {second.stderr}")
    equal(host.get("/v1/volume", ref="data")["name"], "data", "the first goes on")


@test
def no_daemon_running_says_how_to_start_it():
    with Host() as other:
        other.stop()
        other.fails("unreachable", "list", hint="flockerd")
        other.kill() if not other.dead() else None
    host.fails("unreachable", "list", env={"FLOCKER_SOCKET": f"{host.directory}/none.sock"},
               hint="flockerd")


@test
def a_stale_socket_is_replaced():
    with Host() as other:
        other.kill()
        true(os.path.exists(other.socket), "a killed daemon leaves its socket")
        other.fails("unreachable", "list", hint="flockerd")
        other.start()
        other.get("/v1/version")


@test
def a_user_without_rights_to_the_socket_is_denied():
    info = os.stat(host.socket)
    equal(stat.S_IMODE(info.st_mode), 0o660, "mode of the socket")
    # The user needs to reach the socket and the program, which lie under directories of root.
    public = temporary(host)
    for path in (host.directory, host.root, os.path.dirname(host.socket), public):
        os.chmod(path, 0o755)
    command = shutil.copy(COMMAND, f"{public}/flocker")
    done = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", command,
                           "list"], capture_output=True, text=True, check=False,
                          env={"FLOCKER_SOCKET": host.socket})
    equal(done.returncode, CODES["denied"][1], f"exit status: {done.stderr}")
    true(host.socket in done.stderr and "hint" in done.stderr.lower() or "flocker" in done.stderr,
         f"the socket is named: {done.stderr}")


@test
def a_newer_catalogue_is_refused():
    with Host() as other:
        other.pool()
        other.create("data")
        other.stop()
        catalog = f"{other.root}/lib/catalog.db"
        before = make_newer(catalog)
        other.start()
        equal(other.get("/v1/health")["status"], "degraded", "health")
        other.fails("unsupported", "list", says=("version 9999", "this program knows"), hint="newer Flocker")
        other.stop()
        with open(catalog, "rb") as file:
            equal(file.read(4096), before, "the newer catalogue was not touched")


@test
def a_kernel_without_btrfs_says_what_to_use_instead():
    with Host() as other:
        other.stop()
        # strace answers for the kernel: there is no such file system.
        with open(other.log, "ab") as log:
            other.daemon = subprocess.Popen(
                ["strace", "-D", "-f", "-qq", "-o", "/dev/null", "-e", "trace=fsopen,mount",
                 "-e", "inject=fsopen,mount:error=ENODEV", DAEMON, "--root", other.root, *other.options],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        cleanup.record(f"{other.directory}/daemons", other.daemon.pid)
        tap.wait_until(lambda: other.ready() or other.dead(), "flockerd answers")
        other.fails("unsupported", "pool", "create", "--file", f"{other.directory}/p", "--size", "256M",
                    says="btrfs", hint=True)
        true(not os.path.exists(f"{other.directory}/p"), "no file was left")
        other.stop()


@test
def an_unwritable_state_directory_ends_the_daemon_with_a_message():
    with Host() as other:
        other.stop()
        shutil.rmtree(f"{other.root}/lib")
        with open(f"{other.root}/lib", "w", encoding="utf-8") as file:
            file.write("in the way")
        other.spawn()
        true(other.daemon.wait(timeout=60) != 0, "it does not start")
        true(f"{other.root}/lib" in other.tail(), f"the directory is named:\n{other.tail()}")


if __name__ == "__main__":
    tap.main()
