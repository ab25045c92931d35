"""Data containers: made with volumes, healed whatever happens to them, and what else containers have to do
with names: who uses a branch, who has taken a name, what shadows a branch.  Beside a dockerd of its own."""

import ctypes
import json
import os
import pathlib
import shlex
import signal
import subprocess
import threading
import time

import engines
import tap
from fake_engine import FakeEngine, container as fake_container
from flocker import COMMAND, Connection, Host, LONG, TOP
from tap import equal, test, true

ENGINE = engines.Docker()
HOST = Host()
PLUGIN = engines.plugin_name()


def prepare():
    ENGINE.start()
    ENGINE.busybox()
    HOST.start()
    HOST.pool()
    connect(HOST, PLUGIN)


def connect(host, plugin):
    host.run("config", "set", "docker.socket", ENGINE.socket)
    host.run("config", "set", "docker.plugin", engines.plugin_socket(plugin))
    host.restart()


def container(name):
    """What the engine has of that name; None: nothing."""
    status, found = ENGINE.ask("GET", f"/containers/{name}/json")
    return found if status == 200 else None


def data_containers(host=HOST):
    """The names of those that the host's instance has."""
    instance = host.get("/v1/version")["instance"]["uuid"]
    listed = getattr(host, "engine", ENGINE).run("ps", "-a", "--filter", f"label=flocker.instance={instance}", "--format", "{{.Names}}")
    return sorted(listed.split())


def wait_until(condition, what):
    return tap.wait_until(condition, what, 180)


def settled(function, *names, host=HOST):
    """A verb waits for what it wants of the engine, up to five seconds: then these are the data containers as soon as it
    has ended.  After more, sooner or later."""
    began = time.monotonic()
    function()
    if time.monotonic() - began < 5:
        equal(data_containers(host), list(names), "data containers")
    wait_until(lambda: data_containers(host) == list(names), f"the data containers are {names}")


def volumes_from(name, command):
    return ENGINE.run("run", "--rm", "--network", "none", "--volumes-from", name, "busybox", "sh", "-c", command)


def failing():
    return {(row["what"], row["object"]): row for row in HOST.get("/v1/status")["failing"]}


def remove_all():
    for name in ENGINE.run("ps", "-aq", "--filter", "ancestor=busybox").split():
        ENGINE.run("rm", "-f", name)
    for volume in HOST.items("/v1/volumes"):
        HOST.delete("/v1/volume", volume["name"])


def fresh(function):
    """A test that finds no volume and no container."""
    def run():
        if not ENGINE.is_running("dockerd"):
            ENGINE.start()
        remove_all()
        wait_until(lambda: data_containers() == [], "no data containers are left")
        function()
    run.__name__ = function.__name__
    return test(run)


@fresh
def volumes_from_works_as_soon_as_a_volume_or_a_branch_is_made():
    settled(lambda: HOST.create("data", mount_path="/srv/data/"), "flocker-data-data")
    volumes_from("flocker-data-data", "echo one >/srv/data/file")
    equal(HOST.read("data", "file"), "one\n", "what was written in the container")
    settled(lambda: HOST.branch("data/test"), "flocker-data-data", "flocker-data.test-data")
    equal(volumes_from("flocker-data.test-data", "cat /srv/data/file"), "one", "in the branch")
    found = container("flocker-data.test-data")
    equal(found["Config"]["Labels"], {"flocker.branch": "data/test",
                                      "flocker.instance": HOST.get("/v1/version")["instance"]["uuid"]}, "labels")
    equal([(m["Name"], m["Driver"], m["Destination"]) for m in found["Mounts"]],
          [("data/test", PLUGIN, "/srv/data")], "mounts")
    equal(found["State"]["Status"], "created", "it never ran")
    settled(lambda: HOST.create("plain"), "flocker-data-data", "flocker-data.test-data")


@fresh
def they_follow_names_mount_paths_mounts_and_the_trash():
    HOST.create("data", mount_path="/data")
    HOST.branch("data/test")
    settled(lambda: HOST.run("rename", "data", "other"), "flocker-other-data", "flocker-other.test-data")
    settled(lambda: HOST.run("rename", "other/test", "try"), "flocker-other-data", "flocker-other.try-data")
    HOST.patch("/v1/volume", "other", mount_path="/else")
    wait_until(lambda: (container("flocker-other-data") or {"Mounts": [{}]})["Mounts"][0].get("Destination") == "/else",
               "destination")
    settled(lambda: HOST.run("unmount", "other/try"), "flocker-other-data")
    settled(lambda: HOST.run("mount", "other/try"), "flocker-other-data", "flocker-other.try-data")
    settled(lambda: HOST.run("destroy", "other"))
    settled(lambda: HOST.run("trash", "restore", "other", "--as", "back"), "flocker-back-data", "flocker-back.try-data")
    settled(lambda: HOST.patch("/v1/volume", "back", mount_path=""))
    tar = f"{HOST.directory}/empty.tar"
    pathlib.Path(tar).write_bytes(bytes(1024))
    settled(lambda: HOST.run("import", "imported", tar, "--mount-path", "/data"), "flocker-imported-data")


def healed(name, former):
    found = container(name)
    return found and found["Id"] != former


@fresh
def one_that_is_deleted_comes_back():
    settled(lambda: HOST.create("data", mount_path="/data"), "flocker-data-data")
    HOST.write("data", "file", "kept")
    former = container("flocker-data-data")["Id"]
    ENGINE.run("rm", "flocker-data-data")
    wait_until(lambda: healed("flocker-data-data", former), "it is made again")
    former = container("flocker-data-data")["Id"]
    ENGINE.run("rename", "flocker-data-data", "mine")
    wait_until(lambda: healed("flocker-data-data", former), "it has its name again")
    wait_until(lambda: not container("mine"), "the renamed one is gone")


@fresh
def a_prune_of_everything_loses_nothing():
    settled(lambda: HOST.create("data", mount_path="/data"), "flocker-data-data")
    HOST.create("plain")
    HOST.write("data", "file", "kept")
    former = container("flocker-data-data")["Id"]
    ENGINE.run("system", "prune", "-a", "-f", "--volumes")
    wait_until(lambda: healed("flocker-data-data", former), "it is made again")
    ENGINE.busybox()
    equal(volumes_from("flocker-data-data", "cat /data/file"), "kept", "the file")
    equal([volume["name"] for volume in HOST.items("/v1/volumes")], ["data", "plain"], "volumes")


@fresh
def an_engine_that_is_killed_gets_what_it_missed():
    HOST.create("data", mount_path="/data")
    HOST.write("data", "file", "kept")
    ENGINE.kill("dockerd")
    wait_until(lambda: ("engine-lost", None) in failing(), "it is told that it does not answer")
    wait_until(lambda: "docker.socket" in HOST.run("status"), "the status says what can be done")
    HOST.create("later", mount_path="/later")
    HOST.run("create", "plain")
    ENGINE.start()
    wait_until(lambda: container("flocker-later-data"), "what was made meanwhile has its container")
    wait_until(lambda: not failing(), "all is well again")
    equal(volumes_from("flocker-data-data", "cat /data/file"), "kept", "the file")


@fresh
def a_daemon_that_is_killed_makes_good_what_it_missed():
    settled(lambda: HOST.create("data", mount_path="/data"), "flocker-data-data")
    HOST.kill()
    ENGINE.run("rm", "flocker-data-data")
    HOST.start()
    wait_until(lambda: container("flocker-data-data"), "it is made again")


@fresh
def those_of_another_instance_are_left_alone():
    other = Host()
    with other:
        other.pool()
        connect(other, engines.plugin_name())
        settled(lambda: other.create("theirs", mount_path="/data"), "flocker-theirs-data", host=other)
        settled(lambda: HOST.create("ours", mount_path="/data"), "flocker-ours-data")
        equal(data_containers(other), ["flocker-theirs-data"], "theirs")
        error = HOST.fails("exists", "create", "theirs", "--mount-path", "/data", says="flocker-theirs-data")
        equal(error["object"], "theirs/trunk", "object")
        other.run("destroy", "theirs")
        # So that the engine forgets it: else it waits for its plugin, which goes now, at each start.
        ENGINE.try_run("volume", "rm", "theirs")


@fresh
def what_has_their_labels_and_holds_something_is_left_alone():
    settled(lambda: HOST.create("ours", mount_path="/data"), "flocker-ours-data")
    ENGINE.run("commit", "flocker-ours-data", "saved")  # its labels are the image's, then
    labels = ENGINE.inspect("flocker-ours-data")["Config"]["Labels"]
    equal(ENGINE.inspect("saved")["Config"]["Labels"], labels, "labels of what was saved")
    words = [word for label in labels.items() for word in ("--label", "=".join(label))]
    ENGINE.run("run", "--name", "precious", "--network", "none", *words, "busybox", "sh", "-c", "echo only >/copy")
    HOST.create("next", mount_path="/data")
    HOST.run("destroy", "ours")
    wait_until(lambda: data_containers() == ["flocker-next-data", "precious"], "the round is over")
    ENGINE.run("rm", "precious")
    ENGINE.run("rmi", "saved")


@fresh
def names_that_somebody_has_taken_are_refused_before_anything_is_made():
    for name in ("flocker-data-data", "flocker-ours.test-data", "flocker-new-data", "flocker-ours.b-data"):
        ENGINE.run("create", "--name", name, "--network", "none", "busybox")
    HOST.create("ours", mount_path="/data")
    HOST.create("plain")
    HOST.branch("plain/test")
    HOST.branch("ours/a")
    before = HOST.state()
    says = "another container has that name"
    HOST.fails("exists", "create", "data", "--mount-path", "/data", says=("'flocker-data-data'", says),
               hint="docker rename flocker-data-data NEW")
    HOST.fails("exists", "branch", "ours/test", says=("'flocker-ours.test-data'", says), hint=True)
    HOST.fails("exists", "rename", "ours", "new", says=("'flocker-new-data'", says), hint=True)
    HOST.fails("exists", "rename", "ours/a", "b", says=("'flocker-ours.b-data'", says), hint=True)
    HOST.fails("exists", "create", "ours.a", "--mount-path", "/data", says=("'flocker-ours.a-data'", says), hint=True)
    HOST.run("rename", "plain", "new")  # it gets no container
    HOST.fails("exists", "set", "new", "--mount-path", "/data", says=("'flocker-new-data'", says), hint=True)
    HOST.run("rename", "new", "plain")
    equal(HOST.state(), before, "everything")
    ENGINE.run("rename", "flocker-data-data", "else")
    HOST.create("data", mount_path="/data")


@fresh
def a_name_that_is_taken_while_nobody_looks_is_told():
    settled(lambda: HOST.create("data", mount_path="/data"), "flocker-data-data")
    HOST.stop()
    ENGINE.run("rm", "flocker-data-data")
    ENGINE.run("create", "--name", "flocker-data-data", "--network", "none", "busybox")
    HOST.start()
    row = wait_until(lambda: failing().get(("no-data-container", "data/trunk")), "it is told")
    true("flocker-data-data" in row["message"] and "docker rename" in row["hint"], f"cause and cure: {row}")
    ENGINE.run("rm", "flocker-data-data")
    HOST.restart()
    wait_until(lambda: not failing() and container("flocker-data-data"), "it is made")


@fresh
def an_engine_that_hangs_holds_nobody_up_for_long():
    if not LONG:
        raise tap.Skip("with --long")
    dockerd = ENGINE.processes["dockerd"]
    dockerd.send_signal(signal.SIGSTOP)
    try:
        HOST.create("data", mount_path="/data")
        true(("engine-lost", None) in failing(), "it is told")
        HOST.branch("data/test")
    finally:
        dockerd.send_signal(signal.SIGCONT)
    wait_until(lambda: data_containers() == ["flocker-data-data", "flocker-data.test-data"], "they are made")
    wait_until(lambda: not failing(), "all is well again")


def ask_plugin(socket, verb, **body):
    connection = Connection(socket, 60)
    connection.request("POST", f"/VolumeDriver.{verb}", json.dumps(body))
    answer = json.loads(connection.getresponse().read())
    connection.close()
    return answer


@test
def a_volume_that_went_meanwhile_does_not_come_back_by_its_data_container():
    with Host() as host:
        host.pool()
        fake = f"{host.directory}/fake.sock"
        plugin = engines.plugin_socket(engines.plugin_name())
        host.run("config", "set", "docker.socket", fake)
        host.run("config", "set", "docker.plugin", plugin)
        answers = []

        def create(name, body):
            # As dockerd does it for a mount of a volume that it does not find.
            if not answers:
                volume = body["HostConfig"]["Mounts"][0]["Source"]
                # In the background: it waits for the round that this is a part of.
                threading.Thread(target=host.delete, args=("/v1/volume", volume), daemon=True).start()
                wait_until(lambda: not host.items("/v1/volumes"), "it is in the trash")
                answers.append(ask_plugin(plugin, "Get", Name=volume)["Err"])
                answers.append(ask_plugin(plugin, "Create", Name=volume)["Err"])
            return 500, {"message": answers[-1]}

        with FakeEngine(fake) as engine:
            host.restart()
            engine.on_create = create
            host.create("data", mount_path="/data")
            wait_until(lambda: len(answers) == 2, "the plugin is asked")
            true("there is no volume 'data' any more" in answers[1], f"it refuses: {answers}")
            equal(host.items("/v1/volumes"), [], "volumes")
            equal(ask_plugin(plugin, "Create", Name="data")["Err"], "", "who means it makes one")


# --- in use -------------------------------------------------------------------

@fresh
def what_containers_use_is_not_destroyed_renamed_or_unmounted():
    HOST.create("data", mount_path="/data")
    settled(lambda: HOST.branch("data/test"), "flocker-data-data", "flocker-data.test-data")
    ENGINE.start_container("web", "--volumes-from", "flocker-data-data")
    ENGINE.run("create", "--name", "idle", "--network", "none", "-v", f"{HOST.mnt}/data/trunk:/bound", "busybox")
    before = HOST.state()
    for verb in (("destroy", "data"), ("rename", "data", "other"), ("unmount", "data")):
        HOST.fails("busy", *verb, says=("web (running, at /data)", "idle (not running, at /bound)"),
                   hint="docker stop web && docker rm web idle")
    HOST.run("destroy", "data/test")
    HOST.run("trash", "restore", "data/test")
    ENGINE.run("rm", "-f", "web")
    for verb in (("destroy", "data"), ("rename", "data", "other"), ("unmount", "data")):
        HOST.fails("busy", *verb, says="idle (not running, at /bound)", hint="docker rm idle")
    equal(HOST.state(), before, "everything")
    ENGINE.run("rm", "idle")
    HOST.run("destroy", "data")


@test
def a_container_with_a_dead_file_system_holds_nobody_up():
    """One whose server does not answer, like NFS after a crash: whoever looks there never comes back."""
    with Host() as host:
        host.pool()
        host.create("data")
        host.create("gone")
        dead = pathlib.Path(host.directory, "dead")
        dead.mkdir()
        server = os.open("/dev/fuse", os.O_RDWR)
        options = f"fd={server},rootmode=40000,user_id=0,group_id=0"
        equal(ctypes.CDLL(None).mount(b"nobody", bytes(dead), b"fuse", 0, options.encode()), 0, "it is mounted")
        try:
            fake = f"{host.directory}/fake.sock"
            host.run("config", "set", "docker.socket", fake)
            with FakeEngine(fake) as engine:
                host.restart()
                engine.containers = [fake_container("far", f"{dead}/data"), fake_container("near", host.path("data"))]
                host.run("destroy", "gone")
                host.fails("busy", "destroy", "data", says="near")
        finally:
            os.close(server)


@fresh
def processes_are_named_by_their_container():
    HOST.create("data")
    ENGINE.start_container("digger", "-v", f"{HOST.mnt}:/all", command=("sh", "-c", "cd /all/data/trunk && touch here && sleep 1000"))
    wait_until(lambda: os.path.exists(f"{HOST.path('data')}/here"), "it works there")
    error = HOST.fails("busy", "destroy", "data", says="in the container digger")
    equal(error["object"], "data", "object")
    holder = HOST.get("/v1/users", ref="data")["holders"][0]
    equal((holder["container"], holder["what"]), ("digger", "working directory"), "holder")
    true("in digger" in HOST.run("show", "data"), "show names it")
    ENGINE.run("rm", "-f", "digger")


@fresh
def show_tells_who_uses_a_branch():
    HOST.create("data", mount_path="/data")
    settled(lambda: HOST.branch("data/test"), "flocker-data-data", "flocker-data.test-data")
    ENGINE.start_container("web", "--volumes-from", "flocker-data.test-data")
    users = HOST.get("/v1/users", ref="data")
    equal(sorted((c["ref"], c["name"], c["running"], c["data"], c["destination"]) for c in users["containers"]),
          [("data/test", "flocker-data.test-data", False, True, "/data"), ("data/test", "web", True, False, "/data"),
           ("data/trunk", "flocker-data-data", False, True, "/data")], "containers")
    equal([c["name"] for c in HOST.get("/v1/users", ref="data/trunk")["containers"]], ["flocker-data-data"], "trunk's")
    true("web, running, at /data of data/test" in HOST.run("show", "data"), "show")


@fresh
def show_does_not_wait_for_an_engine_that_hangs():
    """It is asked once, on a connection that gives up first: the daemon's own has thirty seconds."""
    HOST.create("data")
    dockerd = ENGINE.processes["dockerd"]
    dockerd.send_signal(signal.SIGSTOP)
    ours, theirs = os.openpty()
    try:
        shown = HOST.try_run("show", "data", timeout=25)
        waiting = subprocess.Popen([COMMAND, "destroy", "data"], stdin=subprocess.DEVNULL, stderr=theirs,
                                   env={**os.environ, "FLOCKER_SOCKET": HOST.socket})
        true(b"the container engine is asked" in os.read(ours, 4096), "whoever waits is told for what")
    finally:
        dockerd.send_signal(signal.SIGCONT)
    equal(waiting.wait(timeout=60), 0, "status of what waited")
    os.close(ours)
    os.close(theirs)
    true(shown.status == 0 and "containers:" in shown.out, f"it says that they are not known: {shown}")


@fresh
def while_the_engine_is_away_nothing_is_taken_away():
    HOST.create("data", mount_path="/data")
    HOST.branch("data/test")
    ENGINE.kill("dockerd")
    for verb in (("destroy", "data"), ("destroy", "data/test"), ("rename", "data", "other"), ("unmount", "data")):
        HOST.fails("unreachable", *verb, hint="docker.socket")
    true("containers:" in HOST.run("show", "data"), "show says that they are not known")
    true(HOST.get("/v1/users", ref="data")["trouble"], "and so does the API")
    # A socket that is gone, and a daemon that has never seen it: containers refer to the branches all the same.
    HOST.stop()
    os.unlink(ENGINE.socket)
    HOST.start()
    for verb in (("destroy", "data"), ("rename", "data", "other"), ("unmount", "data")):
        HOST.fails("unreachable", *verb, says=(ENGINE.socket, "no such socket"), hint="docker.socket")
    HOST.run("config", "set", "docker.socket", "")
    HOST.restart()
    HOST.run("destroy", "data/test")
    HOST.run("config", "set", "docker.socket", ENGINE.socket)
    ENGINE.start()
    HOST.restart()
    wait_until(lambda: data_containers() == ["flocker-data-data"], "that of the destroyed branch is gone")


# --- shadows ------------------------------------------------------------------

@fresh
def a_local_volume_with_the_name_of_ours_is_told_until_it_is_gone():
    ENGINE.run("volume", "create", "early")
    ENGINE.run("volume", "create", "harmless")
    HOST.create("early")
    row = wait_until(lambda: failing().get(("shadowed", "early/trunk")), "it is told")
    equal(row["hint"].split("then: ")[1], "docker volume rm early", "the cure")
    true("docker volume rm early" in HOST.run("status"), "the status has the cure")
    wait_until(lambda: sorted(failing()) == [("shadowed", "early/trunk")], "nothing else fails")
    HOST.restart()
    wait_until(lambda: ("shadowed", "early/trunk") in failing(), "and again after a restart")
    HOST.create("late")
    ENGINE.run("volume", "create", "late")
    wait_until(lambda: ("shadowed", "late/trunk") in failing(), "one that comes later is told")
    ENGINE.run("volume", "rm", "early", "late", "harmless")
    wait_until(lambda: not failing(), "all is well again")
    kinds = [event["kind"] for event in HOST.items("/v1/events")]
    true("shadowed" in kinds and "not-shadowed" in kinds, f"events: {kinds}")


# --- units: the commands that they run, as far as an engine goes -------------------

EXAMPLES = TOP / "dist/examples"
VOLUME = "mydata"
IMAGE = "postgres:15"


def make_image(engine):
    tree = engines.Tree()
    tree.busybox()
    engine.import_image(IMAGE, tree.bytes(), f"CMD {json.dumps(engines.WAIT)}", "ENV PATH=/bin:/usr/bin")


def lines_of(unit, key):
    text = (EXAMPLES / unit).read_text(encoding="utf-8")
    return [line.split("=", 1)[1] for line in text.splitlines() if line.startswith(f"{key}=")]


def run_line(line):
    words = shlex.split(line.lstrip("-"))
    equal(words[0], "/usr/bin/docker", "the program")
    return ENGINE.try_run(*words[1:]) if line.startswith("-") else ENGINE.run(*words[1:])


@fresh
def the_unit_that_takes_its_volume_from_a_data_container():
    make_image(ENGINE)
    path = "/var/lib/postgresql/data"
    settled(lambda: HOST.create(VOLUME, mount_path=path), "flocker-mydata-data")
    for _ in range(2):  # the second time there is what the first has left
        for key in ("ExecStartPre", "ExecStart"):
            for line in lines_of("flocker-mydata.service", key):
                run_line(line)
        true(ENGINE.is_up("flocker-mydata"), "it runs")
    ENGINE.exec("flocker-mydata", "sh", "-c", f"echo unit >{path}/file")
    equal(HOST.read(VOLUME, "file"), "unit\n", "what it wrote")
    for key in ("ExecStop", "ExecStopPost"):
        for line in lines_of("flocker-mydata.service", key):
            run_line(line)
    HOST.run("destroy", VOLUME)
    ENGINE.run("rmi", IMAGE)


# --- Podman ---------------------------------------------------------------------

class PodmanHost(Host):
    def __init__(self):
        super().__init__()
        self.plugin = engines.plugin_name()
        self.engine = engines.Podman(plugins={self.plugin: engines.plugin_socket(self.plugin)})

    def prepare(self):
        self.engine.start()
        self.engine.busybox()
        self.pool()
        self.run("config", "set", "docker.socket", self.engine.socket)
        self.run("config", "set", "docker.plugin", engines.plugin_socket(self.plugin))
        self.restart()


@test
def podman_has_data_containers_too():
    with PodmanHost() as host:
        host.prepare()
        engine = host.engine
        host.create("data", mount_path="/data")
        names = ["flocker-data-data", "flocker-data.test-data"]
        settled(lambda: host.branch("data/test"), *names, host=host)
        engine.run("run", "--rm", "--network", "none", "--volumes-from", names[1], "busybox", "sh", "-c",
                   "echo pod >/data/file")
        equal(host.read("data/test", "file"), "pod\n", "in the branch")
        engine.run("rm", names[0])
        wait_until(lambda: data_containers(host) == names, "it is made again")
        equal(engine.run("volume", "ls", "-q"), "", "Podman made no volume of its own")
        engine.run("create", "--name", "idle", "--network", "none", "-v", f"{host.mnt}/data/trunk:/bound", "busybox")
        host.fails("busy", "destroy", "data", says="idle (not running, at /bound)", hint="podman rm idle")
        engine.run("rm", "idle")
        engine.start_container("digger", "--volumes-from", names[0])
        host.fails("busy", "destroy", "data", says="in the container digger")
        engine.run("rm", "-f", "digger")
        settled(lambda: host.run("destroy", "data"), host=host)
        engine.remove()


@test
def the_units_of_quadlet():
    # What Podman's generator, which Debian 12 lacks, makes of the two files.
    with PodmanHost() as host:
        host.prepare()
        engine = host.engine
        make_image(engine)
        host.create(VOLUME)
        equal(lines_of("mydata.volume", "VolumeName"), [VOLUME], "volume")
        equal(lines_of("mydata.volume", "Driver"), ["flocker"], "driver")
        engine.run("volume", "create", "--driver", host.plugin, VOLUME)
        (volume,) = lines_of("flocker-mydata.container", "Volume")
        (image,) = lines_of("flocker-mydata.container", "Image")
        (name,) = lines_of("flocker-mydata.container", "ContainerName")
        path = volume.removeprefix("mydata.volume:")
        engine.start_container(name, "-v", f"{VOLUME}:{path}", image=image.removeprefix("docker.io/library/"))
        engine.exec(name, "sh", "-c", f"echo quadlet >{path}/file")
        equal(host.read(VOLUME, "file"), "quadlet\n", "what it wrote")
        host.fails("busy", "destroy", VOLUME, says=f"{name} (running, at {path})", hint=f"podman stop {name}")
        engine.run("rm", "-f", name)
        engine.remove()


if __name__ == "__main__":
    prepare()
    tap.main()
