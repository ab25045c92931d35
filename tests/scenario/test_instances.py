#!/usr/bin/python3
"""Several instances on one machine: each with its own root, name, pool and daemon."""

import os
import pty
import signal
import subprocess

import tap
from flocker import COMMAND, Host
from tap import equal, test, true

first = Host(name="one")
first.start()
second = Host(first.directory, "two")
second.start()
tap.finally_(second.remove)


def pool(host):
    return host.post("/v1/pool", kind="file", path=f"{host.root}/pool.img", size=256 << 20)


@test
def two_instances_have_distinct_names_and_uuids():
    names = [host.get("/v1/version") for host in (first, second)]
    host_name = os.uname().nodename.split(".")[0]
    for version, last in zip(names, ("one", "two")):
        true(version["instance"]["name"].endswith(last), f"name: {version}")
        true(version["instance"]["name"].startswith(host_name[:20]) or host_name == "(none)",
             f"name: {version}")
    true(names[0]["instance"]["name"] != names[1]["instance"]["name"], "names")
    true(names[0]["instance"]["uuid"] != names[1]["instance"]["uuid"], "uuids")


@test
def the_instance_keeps_its_identity():
    before = first.get("/v1/version")
    first.restart()
    equal(first.get("/v1/version"), before, "after a restart")
    true(os.path.isfile(f"{first.root}/etc/volume.json"), "it is kept in etc")


@test
def they_do_not_see_each_others_volumes():
    pool(first)
    pool(second)
    for host, text in ((first, "of the first"), (second, "of the second")):
        host.create("data")
        host.write("data", "a", text)
        host.snapshot("data", name="s")
    second.create("only-here")
    equal([v["name"] for v in first.items("/v1/volumes")], ["data"], "volumes of the first")
    equal((first.read("data", "a"), second.read("data", "a")), ("of the first", "of the second"),
          "contents")
    true(first.log_of("data")[0]["id"] != second.log_of("data")[0]["id"], "ids")


@test
def the_command_finds_its_daemon_by_root_socket_or_environment():
    environment = {"FLOCKER_SOCKET": second.socket}
    for arguments, wanted in ((("--root", first.root), 1), (("--socket", first.socket), 1),
                              (("--root", second.root), 2), ((), 2)):
        ran = first.try_run(*arguments, "list", "--json", env=environment)
        equal((ran.status, len(ran.json) if ran.status == 0 else None), (0, wanted), str(ran))


@test
def a_daemon_that_hangs_is_told_of_on_a_terminal():
    main, terminal = pty.openpty()
    os.kill(first.daemon.pid, signal.SIGSTOP)
    try:
        command = subprocess.Popen([COMMAND, "--root", first.root, "list"], stdout=subprocess.PIPE,
                                   stderr=terminal, text=True)
        true("does not answer yet" in os.read(main, 4096).decode(), "it is said")
    finally:
        os.kill(first.daemon.pid, signal.SIGCONT)
    true("data" in command.communicate(timeout=60)[0], "the list comes nevertheless")
    os.close(terminal)
    try:
        equal(os.read(main, 4096), b"", "it is said once")
    except OSError:
        pass  # so Linux tells that nobody holds the terminal any more
    os.close(main)


@test
def one_goes_on_without_the_other():
    second.kill()
    first.snapshot("data", name="alone")
    second.start()
    equal(second.read("data", "a"), "of the second", "contents")
    equal(second.stop(), 0, "exit status")
    equal(first.read("data", "a"), "of the first", "contents")


if __name__ == "__main__":
    tap.main()
