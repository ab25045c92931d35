#!/usr/bin/python3
"""The volume plugin, asked over its socket; and the socket, which outlives the daemon."""

import contextlib
import json
import os
import pathlib
import signal
import socket
import stat
import subprocess

import tap
from cleanup import start_time
from flocker import BUILD, DAEMON, Connection, same
from plugins import PluginHost, connections, plugin_host, take_answer
from tap import equal, test, tests_for, true, wait_until

host = plugin_host()
KEEPER = str(BUILD / "src/keeper/flocker-keeper")


def keepers(of=host):
    """The keepers of a host: their process ids."""
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if words[0].endswith(b"/flocker-keeper") and f"{of.root}/run/keeper.sock".encode() in words:
            found.append(int(path.parent.name))
    return found


# --- the protocol ------------------------------------------------------------------------


@test
def an_engine_is_told_what_the_plugin_is():
    equal(host.ask("/Plugin.Activate")["Implements"], ["VolumeDriver"])
    equal(host.done("Capabilities")["Capabilities"], {"Scope": "local"})


@test
def a_volume_is_made_found_listed_and_removed():
    host.done("Create", Name="one")
    place = host.path("one")
    equal(host.done("Mount", Name="one", ID="x")["Mountpoint"], place)
    equal(host.done("Path", Name="one")["Mountpoint"], place)
    true({"one"} <= {item["Name"] for item in host.done("List")["Volumes"]}, "it is listed")
    equal(next(v["Mountpoint"] for v in host.ask("List")["Volumes"] if v["Name"] == "one"), place)
    host.write("one", "file", "kept")
    host.done("Remove", Name="one")
    host.refused("no volume 'one'", "Get", {"Name": "one"})
    host.done("Remove", Name="one")
    host.run("trash", "restore", "one")
    equal(host.read("one", "file"), "kept")


@test
def a_branch_is_a_volume_of_its_own():
    host.done("Create", Name="shop")
    host.write("shop", "file", "live")
    host.done("Create", Name="shop/test")
    equal(host.read("shop/test", "file"), "live")
    host.snapshot("shop", name="before")
    host.write("shop", "file", "later")
    host.done("Create", Name="shop/old", Opts={"from": "shop@{before}"})
    equal(host.read("shop/old", "file"), "live")
    true("shop/old" in [item["Name"] for item in host.ask("List")["Volumes"]], "listed by its name")
    host.refused(["further branches", "flocker destroy shop"], "Remove", {"Name": "shop"})
    host.done("Remove", Name="shop/test")
    host.done("Remove", Name="shop/old")
    host.done("Remove", Name="shop")
    host.refused("no volume 'shop'", "Create", {"Name": "shop/test"})
    host.refused("called 'shop'", "Create", {"Name": "shop/trunk"})


@test
def options_are_those_of_the_command():
    host.done("Create", Name="rich", Opts={
        "quota": "64M", "mount-path": "/data", "description": "A shop", "meta.colour": "red",
        "policy.snapshot": "manual"})
    volume = host.get("/v1/volume", ref="rich")
    equal([volume[key] for key in ("quota", "mount_path", "description", "metadata")],
          [64 << 20, "/data", "A shop", {"colour": "red"}])
    settings = {item["key"]: item for item in host.get("/v1/policy", ref="rich")["settings"]}
    equal(settings["snapshot"]["value"], "manual")
    host.write("rich", "file", "x")
    host.snapshot("rich", name="named")
    status = host.done("Get", Name="rich")["Volume"]["Status"]
    for key, value in {"Branch": "rich/trunk", "MountPath": "/data", "Quota": 64 << 20, "Snapshots": 1,
                       "Description": "A shop", "Metadata": {"colour": "red"}, "Stashes": 0,
                       "Policy": {"snapshot": "manual"}}.items():
        equal(status[key], value, key)
    equal(status["NewestSnapshot"]["Name"], "named")
    host.done("Create", Name="copy", Opts={"from": "rich@{named}"})
    equal(host.read("copy", "file"), "x")


@test
def what_is_there_already_is_made_again_only_as_it_is():
    before = host.state()
    host.done("Create", Name="rich")
    host.done("Create", Name="rich", Opts={"quota": "64M", "meta.colour": "red", "policy.snapshot": "manual"})
    host.done("Create", Name="copy", Opts={"from": "rich@{named}"})
    for option, value in {"quota": "65M", "mount-path": "/other", "description": "No shop",
                          "meta.colour": "blue", "policy.snapshot": "change", "from": "copy"}.items():
        host.refused(["there is a volume 'rich' already", f"'{option.partition('.')[0]}' is another"],
                     "Create", {"Name": "rich", "Opts": {option: value}})
    same(before, host.state(), "nothing changed")


@tests_for([{}, {"Opts": None}, {"Opts": {}}], name=json.dumps)
def options_that_are_none(options):
    name = f"none{len(json.dumps(options))}"
    host.done("Create", Name=name, **options)
    host.done("Remove", Name=name)


@tests_for([
    ({"size": "1G"}, "no option 'size'"), ({"Quota": "1G"}, "no option 'Quota'"),
    ({"meta": "x"}, "no option 'meta'"), ({"quota": 5}, "'quota' is no text"),
    ({"quota": "many"}, "'many' is not a size"), ({"mount-path": "data"}, "data"),
    ({"from": "nix"}, "nix"), ({"from": "@@"}, "'from'"), ({"policy.snapshot": "often"}, "snapshot"),
    ({"policy.nix": "1"}, "nix"), ({"meta.a b": "1"}, "a b"), (["a"], "no JSON object"), ("a", "no JSON object"),
], name=lambda value: json.dumps(value[0]))
def bad_options_are_refused_by_name(options):
    before = host.state()
    host.refused(options[1], "Create", {"Name": "bad", "Opts": options[0]})
    same(before, host.state(), "nothing changed")


@test
def a_branch_has_no_options_of_volumes():
    host.done("Create", Name="shop2")
    for option in ("quota", "mount-path", "description", "meta.a"):
        host.refused([f"'{option}'", "flocker set shop2"], "Create", {"Name": "shop2/x", "Opts": {option: "1"}})


NAMES = ["", ".", "..", "../../x", "a/../b", "a//b", "a/", "/a", "a/b/c", "a b", "a\nb", "a\x1b[31m", "é",
         "x" * 64, "a/" + "x" * 64, "a@{-1}", "v1@a", "stash/1@a", "a:b", "-a", "a\0b", "x" * 100000, None, 5, {}]


@tests_for(NAMES, name=lambda value: json.dumps(value)[:30])
def a_name_that_is_none_is_refused(name):
    before = host.state(contents=False)
    for verb in ("Create", "Get", "Mount", "Path", "Remove"):
        error = host.ask(verb, {"Name": name})["Err"]
        true(error, f"{verb} of {name!r} is refused")
        true(not any(c in error for c in "\x1b\0"), f"what is shown is text: {error!r}")
        if isinstance(name, str) and "\0" not in name:
            true("VOLUME/BRANCH" in error, f"it says what a name may be: {error!r}")
    same(before, host.state(contents=False), "nothing changed")


@tests_for([b"", b"\n", b"{", b"[]", b"null", b"5", b'{"Name":"one"', b'{"Name":"one","Name":"two"}', b"\xff\xfe",
            b'{"name":"one"}', b"x" * (2 << 20)], name=lambda value: repr(value[:30]))
def a_body_that_is_none_is_an_error(body):
    before = host.state(contents=False)
    for verb in ("Create", "Get", "Mount", "Path", "Remove"):
        true(host.ask(verb, body)["Err"], f"{verb} is refused")
    same(before, host.state(contents=False), "nothing changed")


@test
def unmounting_always_succeeds():
    for body in (b"", b"{", {"Name": "one", "ID": "x"}, {"Name": "nix"}, {"Name": "../x"}):
        equal(host.ask("Unmount", body)["Err"], "")
    true(os.path.isdir(host.path("one")), "a branch stays mounted")


@test
def mounting_mounts_what_is_not_mounted():
    host.delete("/v1/mounts", ref="one")
    equal(host.done("Get", Name="one")["Volume"]["Mountpoint"], "")
    equal(host.done("Mount", Name="one", ID="y")["Mountpoint"], host.path("one"))
    equal(host.read("one", "file"), "kept")
    os.unlink(host.path("one"))  # somebody's slip
    host.done("Mount", Name="one", ID="y")
    equal(host.read("one", "file"), "kept")


@test
def what_is_in_use_is_not_removed():
    with open(f"{host.path('one')}/file", encoding="utf-8"):
        host.refused(["in use", str(os.getpid())], "Remove", {"Name": "one"})
    equal(host.read("one", "file"), "kept")


@test
def other_paths_and_methods_are_refused():
    for method, path, status in (("POST", "/VolumeDriver.Nix", 404), ("GET", "/VolumeDriver.List", 405),
                                 ("GET", "/", 404), ("POST", "/v1/volumes", 404)):
        connection = Connection(host.plugin, 60)
        connection.request(method, path)
        answer = connection.getresponse()
        equal(answer.status, status, path)
        true(json.loads(answer.read())["Err"], "it says so")
        connection.close()


@test
def changes_are_in_the_audit_log():
    host.done("Create", Name="noted", Opts={"quota": "64M", "description": "secret"})
    host.done("Create", Name="noted")
    host.done("Remove", Name="noted")
    host.refused("there is no option", "Create", {"Name": "noted2", "Opts": {"x": "1"}})
    newest = [[item[key] for key in ("verb", "object", "outcome", "uid")] for item in host.items("/v1/audit")[:3]]
    equal(newest, [["create", "noted2", "invalid", 0], ["destroy", "noted", "done", 0], ["create", "noted", "done", 0]])
    equal(host.items("/v1/audit")[2]["message"], "volume plugin, quota=64M")


@test
def only_root_is_served():
    equal(stat.S_IMODE(os.stat(host.plugin).st_mode), 0o600)
    program = ("import contextlib, socket, sys; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])\n"
               "with contextlib.suppress(ConnectionResetError, BrokenPipeError):\n"
               "    s.sendall(b'POST /VolumeDriver.List HTTP/1.1\\r\\nHost: \\r\\n\\r\\n')\n"
               "    print('it says', s.recv(1000))")
    public = PluginHost()
    public.plugin = f"{public.directory}/public.sock"
    public.set_plugin(public.plugin)
    with public:
        os.chmod(public.directory, 0o755)
        os.chmod(public.plugin, 0o666)
        shown = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "/usr/bin/python3",
                                "-c", program, public.plugin], capture_output=True, text=True, check=True).stdout
    true(shown in ("", "it says b''\n"), shown)


# --- trouble ------------------------------------------------------------------------------


@test
def while_it_is_not_known_which_volumes_there_are_none_is_denied():
    """An engine that is told that there is none would make one of its own."""
    pool = f"{host.directory}/pool.img"
    host.stop()
    os.rename(pool, pool + ".away")
    try:
        host.start()
        for name in ("one", "other"):
            volume = host.done("Get", Name=name)["Volume"]
            equal([volume["Name"], volume["Mountpoint"]], [name, ""])
            true("pool.img" in volume["Status"]["Trouble"], "it says what is wrong")
            for verb in ("Mount", "Path", "Create", "Remove"):
                host.refused("pool.img", verb, {"Name": name})
        true(host.ask("List")["Err"], "nor is the list empty")
        true(host.ask("Get", {"Name": "f" * 64})["Err"], "but what can't be one of ours is not claimed")
        host.stop()
    finally:
        os.rename(pool + ".away", pool)
    host.start()
    equal(host.read("one", "file"), "kept")
    host.refused("no volume 'other'", "Get", {"Name": "other"})


@test
def without_a_pool_there_are_no_volumes():
    with PluginHost() as empty:
        equal(empty.done("List")["Volumes"], [])
        empty.refused(["no pool", "flocker pool create"], "Get", {"Name": "one"})
        empty.refused(["no pool", "flocker pool create"], "Create", {"Name": "one"})


# --- the socket ---------------------------------------------------------------------------


@test
def requests_wait_for_a_daemon_that_was_killed():
    for _ in range(10):
        host.kill()
        waits = [host.send("Get", {"Name": "one"}), host.send("List", {})]
        host.start()
        equal(take_answer(waits[0])["Volume"]["Name"], "one")
        true(take_answer(waits[1])["Volumes"], "the list")
    equal(len(keepers()), 1, "keepers")


@test
def requests_wait_for_a_daemon_that_was_stopped_and_is_slow():
    keeper = keepers()
    host.stop()
    wait = host.send("Get", {"Name": "one"})
    host.spawn()
    host.daemon.send_signal(signal.SIGSTOP)
    later = host.send("Mount", {"Name": "one", "ID": "x"})
    host.daemon.send_signal(signal.SIGCONT)
    equal(take_answer(wait)["Volume"]["Name"], "one")
    equal(take_answer(later)["Mountpoint"], host.path("one"))
    wait_until(host.ready, "flockerd answers")
    equal(keepers(), keeper, "the same keeper")


@test
def the_keeper_is_nobody_s_child_and_holds_nothing_else():
    [keeper] = keepers()
    with open(f"/proc/{keeper}/stat", encoding="utf-8") as file:
        fields = file.read().rpartition(")")[2].split()
    true(int(fields[1]) != host.daemon.pid, "its parent is not the daemon")
    equal(int(fields[3]), keeper, "its session")
    equal(os.readlink(f"/proc/{keeper}/cwd"), "/")
    wait_until(lambda: len(os.listdir(f"/proc/{keeper}/fd")) <= 8, "the connection of the last request is closed")
    held = sorted(os.readlink(f"/proc/{keeper}/fd/{fd}").partition(":")[0] for fd in os.listdir(f"/proc/{keeper}/fd"))
    equal(held, ["/dev/null"] * 3 + ["anon_inode"] * 2 + ["socket"] * 3)


@test
def another_setting_moves_the_socket_and_none_ends_it():
    other = host.plugin.replace(".sock", "-2.sock")
    [keeper] = keepers()
    host.set_plugin(other)
    host.restart()
    true(not os.path.exists(host.plugin) and os.path.exists(other), "it has moved")
    wait_until(lambda: start_time(keeper) is None, "the former keeper ends")
    host.set_plugin("")
    host.restart()
    true(not os.path.exists(other), "it is gone")
    wait_until(lambda: not keepers(), "no keeper is left")
    host.set_plugin(host.plugin)
    host.restart()
    host.done("Get", Name="one")


@test
def a_socket_that_somebody_removed_is_made_anew():
    os.unlink(host.plugin)
    host.restart()
    host.done("Get", Name="one")
    equal(len(keepers()), 1, "keepers")


@test
def a_keeper_that_was_killed_is_replaced_at_once():
    [keeper] = keepers()
    os.kill(keeper, signal.SIGKILL)
    wait_until(lambda: keepers() not in ([], [keeper]), "another keeper")
    wait_until(lambda: "kept by a new keeper" in host.tail(), "the log says so")
    host.done("Get", Name="one")
    [keeper] = keepers()
    os.kill(keeper, signal.SIGTERM)  # a slip
    wait_until(lambda: keepers() not in ([], [keeper]), "another keeper")
    wait_until(lambda: host.tail().count("kept by a new keeper") == 2, "the log says so")


@test
def requests_under_way_survive_the_daemon():
    """They are with the daemon when it dies, and are carried out by the next."""
    for verb, body, key in (("Get", {"Name": "one"}, "Volume"), ("Mount", {"Name": "one", "ID": "x"}, "Mountpoint"),
                            ("Create", {"Name": "during"}, None), ("List", {}, "Volumes")):
        wait_until(lambda: connections(f"{host.root}/run/plugin.sock") == 0, "no request is left")
        host.daemon.send_signal(signal.SIGSTOP)
        wait = host.send(verb, body)
        wait_until(lambda: connections(f"{host.root}/run/plugin.sock") > 0, "the keeper has carried it there")
        host.kill()
        host.start()
        answer = take_answer(wait)
        true(key is None or answer[key], f"{verb}: {answer}")
    host.done("Remove", Name="during")


@test
def what_is_no_socket_is_left_alone_and_said():
    blocked = PluginHost()
    pathlib.Path(blocked.plugin).write_text("mine", encoding="utf-8")
    try:
        with blocked:
            true("there is no volume plugin" in blocked.tail() and "no socket" in blocked.tail(), blocked.tail())
            equal(pathlib.Path(blocked.plugin).read_text(encoding="utf-8"), "mine")
    finally:
        os.unlink(blocked.plugin)


@test
def two_daemons_do_not_share_a_socket():
    second = PluginHost()
    second.set_plugin(host.plugin)
    with second:
        true("another program listens" in second.tail(), second.tail())
        host.done("Get", Name="one")


@test
def the_keeper_is_told_to_go_only_without_a_daemon():
    def release():
        return subprocess.run([DAEMON, "--root", host.root, "--release-plugin"], capture_output=True, text=True,
                              check=False)
    refused = release()
    equal(refused.returncode, 5)
    true("another flockerd" in refused.stderr, refused.stderr)
    host.stop()
    equal(release().returncode, 0)
    true(not os.path.exists(host.plugin), "the socket is gone")
    equal(release().returncode, 0, "again")
    host.start()
    host.done("Get", Name="one")


@test
def rubbish_does_not_end_the_keeper():
    [keeper] = keepers()
    for question in (b"\0", b"x" * 300, b"ending", b"tak", b""):
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(f"{host.root}/run/keeper.sock")
            client.sendall(question)
            client.shutdown(socket.SHUT_WR)
            with contextlib.suppress(ConnectionResetError):
                equal(client.recv(100), b"")
    equal(keepers(), [keeper], "keepers")
    equal(subprocess.run([KEEPER], capture_output=True, check=False).returncode, 2)


@test
def it_goes_with_the_directory_of_its_instance():
    with PluginHost() as gone:
        [keeper] = keepers(gone)
        true(os.path.exists(gone.plugin), "it is there")
    wait_until(lambda: start_time(keeper) is None, "the keeper ends")
    true(not os.path.exists(gone.plugin), "the socket went too")


@test
def the_service_manager_can_listen():
    """As systemd starts the keeper: a listening socket is descriptor 3, or one of those after it."""
    managed = PluginHost()
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(managed.plugin)
    listening.listen()
    hand = ("import os, sys; os.dup2(int(sys.argv[1]), 4); os.dup2(2, 3);"
            "os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS='2'); os.execv(sys.argv[2], sys.argv[2:])")
    run = f"{managed.root}/run"
    os.mkdir(run)
    subprocess.run(["/usr/bin/python3", "-c", hand, str(listening.fileno()), KEEPER, "socket", f"{run}/keeper.sock",
                    managed.plugin, f"{run}/plugin.sock"], check=True, pass_fds=[listening.fileno()])
    with managed:
        managed.pool()
        managed.done("Create", Name="one")
        equal(len(keepers(managed)), 1, "keepers")
        [keeper] = keepers(managed)
        managed.stop()
        os.kill(keeper, signal.SIGTERM)
        wait_until(lambda: start_time(keeper) is None, "the keeper ends")
        true(os.path.exists(managed.plugin), "what the service manager made it removes itself")
    listening.close()
    os.unlink(managed.plugin)


if __name__ == "__main__":
    tap.main()
