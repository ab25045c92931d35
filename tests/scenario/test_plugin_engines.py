#!/usr/bin/python3
"""The volume plugin under Docker and Podman: what users type, and whatever is killed meanwhile.

The worst that can happen is that an engine runs a container on an empty volume of its own
instead of ours; each test here that kills something looks for that.
"""

import json
import os
import signal
import subprocess
import time

import yaml

import engines
import tap
from cleanup import start_time
from flocker import LONG, TOP
from plugins import PluginHost, connections, plugin_host
from tap import equal, test, tests_for, true, wait_until

host = plugin_host()
docker = engines.Docker(host.directory)
docker.start()
docker.busybox()
host.create("ours")
host.write("ours", "f", "kept")
NONE = ("run", "--rm", "--network", "none")
# Seconds.  For a name that it does not know dockerd asks all plugins that it ever saw, one after the other, and each of
# another test that is over costs it 15 s.
PATIENCE = 400


def run_in(engine, mount, script, *options):
    """A container that runs a script with this volume; what it printed."""
    return engine.run(*NONE, *options, "-v", mount, "busybox", "sh", "-c", script, timeout=PATIENCE)


def begin_run(engine, mount, script):
    """The same, in the background."""
    return subprocess.Popen(engine.command([*NONE, "-v", mount, "busybox", "sh", "-c", script]), text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=engine.environment())


def ended_well(process, printed):
    out, err = process.communicate(timeout=PATIENCE)
    equal((process.returncode, out.strip()), (0, printed), f"of a container that waited ({err})")


def local_volumes(engine=docker):
    return engine.run("volume", "ls", "-q", "--filter", "driver=local").split()


def our_volumes():
    """Engines see the plugins of other tests, too."""
    return sorted(docker.run("volume", "ls", "-q", "--filter", f"driver={host.driver}").split())


def nothing_shadowed():
    equal(local_volumes(), [], "volumes of the engine's own")


# --- what users type -------------------------------------------------------------------------


@test
def a_volume_from_its_making_to_its_trash():
    docker.run("volume", "create", "-d", host.driver, "-o", "mount-path=/data", "-o", "quota=128M", "first")
    equal(run_in(docker, "first:/data", "echo hello > /data/file; cat /data/file"), "hello")
    equal(host.read("first", "file"), "hello\n")
    shown = json.loads(docker.run("volume", "inspect", "first"))[0]
    equal([shown["Driver"], shown["Mountpoint"]], [host.driver, host.path("first")])
    equal([shown["Status"]["MountPath"], shown["Status"]["Quota"]], ["/data", 128 << 20])
    equal(docker.run("volume", "rm", "first"), "first")
    equal(our_volumes(), ["ours"])
    host.run("trash", "restore", "first")
    equal(run_in(docker, "first:/data", "cat /data/file"), "hello")
    nothing_shadowed()


@test
def a_spec_file_says_where_another_instance_listens():
    with PluginHost(elsewhere=True) as other:
        other.pool()
        docker.run("volume", "create", "-d", other.driver, "beyond")
        equal(run_in(docker, "beyond:/data", "echo there > /data/file; cat /data/file"), "there")
        equal(other.read("beyond", "file"), "there\n")
        docker.run("volume", "rm", "beyond")
    nothing_shadowed()


@test
def a_branch_is_a_volume_with_a_slash():
    docker.run("volume", "create", "-d", host.driver, "first/test")
    equal(run_in(docker, "first/test:/x", "echo test > /x/file; cat /x/file"), "test")
    equal(run_in(docker, "first:/x", "cat /x/file"), "hello")
    mount = f"type=volume,src=first/other,dst=/x,volume-driver={host.driver}"
    equal(docker.run(*NONE, "--mount", mount, "busybox", "cat", "/x/file"), "hello")
    refused = docker.try_run("volume", "rm", "first")
    true("further branches" in refused.err, refused.err)
    nothing_shadowed()


@test
def what_flocker_made_engines_find_by_themselves():
    host.branch("ours/b")
    equal(run_in(docker, "ours:/x", "echo 1 > /x/g; cat /x/f /x/g"), "kept1")
    equal(run_in(docker, "ours/b:/x", "ls /x"), "f")
    equal(host.read("ours", "g"), "1\n")
    nothing_shadowed()


@test
def options_and_names_are_refused_in_our_words():
    for arguments, words in ((("-o", "size=1G", "bad"), "no option 'size'"), (("../../x",), "VOLUME/BRANCH"),
                             (("a b",), "VOLUME/BRANCH"), (("-o", "from=nix", "bad"), "no volume 'nix'")):
        ran = docker.try_run("volume", "create", "-d", host.driver, *arguments)
        true(ran.status != 0 and words in ran.err and "hint: " in ran.err, str(ran))
    nothing_shadowed()


@test
def an_image_s_files_are_copied_into_an_empty_volume():
    docker.run("volume", "create", "-d", host.driver, "seeded")
    docker.run("run", "--network", "none", "--name", "seeding", "-v", "seeded:/etc", "busybox", "true")
    true(os.path.exists(f"{host.path('seeded')}/passwd"), "they are there")
    docker.run("cp", "seeding:/etc/passwd", f"{host.directory}/copied")
    with open(f"{host.directory}/copied", encoding="utf-8") as file:
        true("postgres" in file.read(), "docker cp reads it")
    docker.run("cp", f"{host.directory}/copied", "seeding:/etc/other")
    true(os.path.exists(f"{host.path('seeded')}/other"), "docker cp writes it")
    docker.run("rm", "seeding")


@test
def a_running_container_keeps_its_volume():
    docker.start_container("user", "-v", "ours:/x")
    refused = docker.try_run("volume", "rm", "-f", "ours")
    true(refused.status != 0 and "in use" in refused.err, str(refused))
    docker.run("cp", "user:/x/f", f"{host.directory}/f")
    equal(docker.exec("user", "cat", "/x/f"), "kept")
    docker.run("rm", "-f", "user")


@test
def what_compose_does_and_undoes():
    """docs/examples/compose.yaml, as Compose asks the engine for it."""
    with open(TOP / "docs/examples/compose.yaml", encoding="utf-8") as file:
        project = yaml.safe_load(file)
    for volume in project["volumes"].values():
        equal(volume["driver"], "flocker")
        options = [word for pair in volume.get("driver_opts", {}).items() for word in ("-o", "=".join(pair))]
        docker.run("volume", "create", "-d", host.driver, *options, volume["name"])
    for name, service in project["services"].items():
        volume, _, path = service["volumes"][0].partition(":")
        docker.start_container(name, "-v", f"{project['volumes'][volume]['name']}:{path}")
        docker.exec(name, "sh", "-c", f"echo {name} > {path}/rows")
    equal([host.read(name, "rows") for name in ("shop", "shop/test")], ["db\n", "db-test\n"])
    for name in project["services"]:  # down -v
        docker.run("rm", "-f", name)
    docker.run("volume", "rm", "shop/test", "shop")
    for name in ("shop", "shop/test"):
        host.run("trash", "restore", name)
    equal([host.read(name, "rows") for name in ("shop", "shop/test")], ["db\n", "db-test\n"])


@test
def pruning_all_removes_nothing_of_ours():
    volumes = our_volumes()
    docker.run("volume", "create", "scratch")
    docker.run("system", "prune", "-a", "-f", "--volumes")
    nothing_shadowed()
    equal(our_volumes(), volumes)
    equal(host.read("ours", "f"), "kept")
    docker.busybox()
    equal(run_in(docker, "ours:/x", "cat /x/f"), "kept")


# --- what is killed ---------------------------------------------------------------------------


@test
def a_container_s_start_waits_for_a_daemon_that_was_killed():
    for i in range(20 if LONG else 3):
        host.kill()
        waiting = begin_run(docker, "ours:/x", f"cat /x/f; echo {i} > /x/n")
        wait_until(lambda: host.waiting() > 0, "dockerd asks", PATIENCE)
        equal(waiting.poll(), None, "it waits")
        host.start()
        ended_well(waiting, "kept")
        equal(host.read("ours", "n"), f"{i}\n")
        nothing_shadowed()


@test
def an_engine_that_knows_nothing_waits_too():
    """It asks every driver for a name that it never saw: the answer must not be missed."""
    for i in range(5 if LONG else 2):
        host.create(f"new{i}")
        host.write(f"new{i}", "f", "new")
        host.kill()
        waiting = begin_run(docker, f"new{i}:/x", "cat /x/f")
        wait_until(lambda: host.waiting() > 0, "dockerd asks", PATIENCE)
        host.start()
        ended_well(waiting, "new")
        nothing_shadowed()


@test
def a_daemon_that_is_slow_to_open_is_waited_for():
    host.kill()
    host.spawn()
    host.daemon.send_signal(signal.SIGSTOP)
    waiting = begin_run(docker, "ours:/x", "cat /x/f")
    wait_until(lambda: host.waiting() > 0, "dockerd asks", PATIENCE)
    host.daemon.send_signal(signal.SIGCONT)
    ended_well(waiting, "kept")
    wait_until(host.ready, "flockerd answers")
    nothing_shadowed()


@tests_for(range(99 if LONG else 3))
def kills_at_any_instant_of_a_start(number):
    """With a request under way, or just after one, or whenever that is."""
    name = "ours" if number % 2 else f"any{number}"
    if name != "ours":
        host.create(name)
        host.write(name, "f", "kept")
    if number % 3 == 0:
        host.daemon.send_signal(signal.SIGSTOP)
    starting = begin_run(docker, f"{name}:/x", "cat /x/f")
    asked = f"{host.root}/run/plugin.sock" if number % 3 == 0 else host.plugin
    deadline = time.monotonic() + (20 if number % 3 == 0 else 0.03 * (number % 5))
    while connections(asked) == 0 and time.monotonic() < deadline:
        pass
    host.kill()
    host.start()
    ended_well(starting, "kept")
    nothing_shadowed()


@test
def a_pool_that_is_missing_is_said_and_nothing_is_shadowed():
    pool = f"{host.directory}/pool.img"
    host.stop()
    os.rename(pool, pool + ".away")
    try:
        host.start()
        docker.restart()  # so that it knows nothing
        for mount in ("ours:/x", "first/test:/x"):
            ran = docker.try_run(*NONE, "-v", mount, "busybox", "true", timeout=PATIENCE)
            true(ran.status != 0 and "pool.img" in ran.err, str(ran))
        nothing_shadowed()
        host.stop()
    finally:
        os.rename(pool + ".away", pool)
    host.start()
    equal(run_in(docker, "ours:/x", "cat /x/f"), "kept")


# Without containerd alone, dockerd takes ten seconds to believe that a container is gone.
@tests_for([("dockerd",), ("dockerd", "containerd")] + [("containerd",)] * LONG, name="+".join)
def the_engine_is_killed(parts):
    docker.start_container("victim", "-v", "ours:/x")
    docker.exec("victim", "sh", "-c", "echo before > /x/v; sync")
    for part in parts:
        docker.kill(part)
    if "containerd" in parts:
        docker.start_containerd()
    if "dockerd" in parts:
        docker.start()
    wait_until(lambda: docker.try_run("rm", "-f", "victim").status == 0, "the engine works again")
    equal(run_in(docker, "ours:/x", "cat /x/v"), "before")
    docker.run("volume", "create", "-d", host.driver, "stuck")
    docker.run("volume", "rm", "stuck")
    nothing_shadowed()


@test
def everything_is_killed_at_once():
    docker.start_container("victim", "-v", "ours:/x", "--restart", "always")
    docker.kill("dockerd")
    host.kill()
    host.start()
    docker.start()
    wait_until(lambda: docker.is_up("victim"), "the container runs again")
    equal(docker.exec("victim", "cat", "/x/f"), "kept")
    docker.run("rm", "-f", "victim")
    nothing_shadowed()


@test
def an_engine_started_before_us_waits_for_its_volumes():
    docker.start_container("early", "-v", "ours:/x", "--restart", "always")
    docker.end("dockerd")
    host.kill()
    docker.start_dockerd()
    wait_until(lambda: host.waiting() > 0, "dockerd asks", PATIENCE)
    host.start()
    docker.await_answers("dockerd")
    wait_until(lambda: docker.is_up("early"), "the container runs again")
    equal(docker.exec("early", "cat", "/x/f"), "kept")
    docker.run("rm", "-f", "early")
    nothing_shadowed()


@test
def containers_live_on_while_the_engine_is_away():
    docker.end("dockerd")
    docker.options = ["--live-restore"]
    docker.start()
    docker.start_container("live", "-v", "ours:/x")
    pid = docker.pid("live")
    docker.end("dockerd")
    host.kill()
    true(start_time(pid), "it lives")
    host.start()
    docker.start()
    equal(docker.exec("live", "cat", "/x/f"), "kept")
    equal(docker.pid("live"), pid)
    docker.run("rm", "-f", "live")
    nothing_shadowed()
    docker.end("dockerd")
    docker.options = []
    docker.start()


# --- the engine is asked, too ---------------------------------------------------------------


@test
def what_the_plugin_makes_has_its_data_container():
    """The engine holds the volume's name until Create is answered, so that is not waited for."""
    host.set_plugin(host.plugin, engine=docker.socket)
    host.restart()
    docker.run("volume", "create", "-d", host.driver, "-o", "mount-path=/data", "held")
    wait_until(lambda: docker.try_run("inspect", "flocker-held-data").status == 0, "the data container is there")
    equal(docker.run(*NONE, "--volumes-from", "flocker-held-data", "busybox", "sh", "-c",
                     "echo 1 > /data/f; cat /data/f"), "1")
    host.kill()
    waiting = begin_run(docker, "held:/x", "cat /x/f")
    wait_until(lambda: host.waiting() > 0, "dockerd asks", PATIENCE)
    host.start()
    ended_well(waiting, "1")
    nothing_shadowed()


@test
def a_rollback_under_a_container_is_served_meanwhile():
    """The engine asks the plugin when the rollback starts the container again."""
    docker.start_container("writer", "-v", "held:/x")
    host.snapshot("held", name="good")
    docker.exec("writer", "sh", "-c", "echo 2 > /x/f")
    host.run("rollback", "held@{good}", "--yes")
    wait_until(lambda: docker.is_up("writer"), "the container runs")
    equal(docker.exec("writer", "cat", "/x/f"), "1")
    docker.run("rm", "-f", "writer")
    nothing_shadowed()
    host.set_plugin(host.plugin)
    host.restart()


# --- Podman ------------------------------------------------------------------------------------


@test
def podman_takes_the_same_plugin():
    with engines.Podman(host.directory, plugins={host.driver: host.plugin}) as podman:
        podman.busybox()
        podman.run("volume", "create", "--driver", host.driver, "-o", "quota=64M", "pod")
        equal(run_in(podman, "pod:/x", "echo pod > /x/f; cat /x/f"), "pod")
        equal(host.read("pod", "f"), "pod\n")
        host.kill()
        waiting = begin_run(podman, "pod:/x", "cat /x/f")
        wait_until(lambda: host.waiting() > 0, "podman asks")
        host.start()
        ended_well(waiting, "pod")
        refused = podman.try_run("volume", "create", "--driver", host.driver, "-o", "nix=1", "pod2")
        true(refused.status != 0 and "no option 'nix'" in refused.err, str(refused))
        podman.run("volume", "rm", "pod")
        host.run("trash", "restore", "pod")
        equal(host.read("pod", "f"), "pod\n")


if __name__ == "__main__":
    tap.main()
