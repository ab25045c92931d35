#!/usr/bin/python3
"""Rollback under containers: stop, swap, start; live; whatever dies in between, they run again."""

import os
import threading

import engines
import tap
from fake_engine import FakeEngine, container
from flocker import CODES, LONG, Failure, Host
from tap import equal, in_threads, main, test, tests_for, true, wait_until

# Appends lines, each in a descriptor of its own or in one that stays open, and counts those that were accepted.
WRITER = "trap 'exit 0' TERM; n=0; while :; do n=$((n+1)); echo $n >>/data/lines || exit 1; echo $n >>/run/told; done"
HOLDER = "trap 'exit 0' TERM; exec 3>>/data/held; n=0; while :; do n=$((n+1)); echo $n >&3; echo $n >>/run/told; done"
# Notes that it is told to stop: one is deaf to it, the other stops when it may.  /run/hears: from now on.
DEAF = "trap 'echo >/data/told' TERM; echo >/run/hears; while :; do sleep 100000 & wait; done"
SLOW = "trap 'echo >/data/told; until [ -e /data/go ]; do sleep 0.1; done; exit 0' TERM; echo >/run/hears; " \
       "sleep 100000 & wait"
HOUR = ("--stop-timeout", "3600")

engine = engines.Docker()
engine.start()
engine.busybox()
host = Host()
host.start()
host.pool()
PLUGIN = engines.plugin_name()
host.run("config", "set", "docker.socket", engine.socket)
host.run("config", "set", "docker.plugin", engines.plugin_socket(PLUGIN))
host.restart()
NAMES = (f"v{number}" for number in range(1, 1000))


class Volume:
    """One of its own for each test: what is in it was `good`, and is `bad` now."""

    def __init__(self, *containers, **options):
        self.name = next(NAMES)
        host.create(self.name)
        self.path = os.path.realpath(host.path(self.name))
        host.write(self.name, "state", "good")
        self.good = host.snapshot(self.name, name="good")["ref"]
        host.write(self.name, "state", "bad")
        self.containers = []
        for container in containers:
            self.start(container, **options)

    def start(self, name, *options, command=None):
        self.containers.append(f"{self.name}-{name}")
        command = ("sh", "-c", command) if command else engines.WAIT
        engine.start_container(self.containers[-1], "-v", f"{self.path}:/data", *options, command=command)
        return self.containers[-1]

    def start_hearing(self, name, *options, command):
        """One that notes that it is told to stop."""
        started = self.start(name, *options, command=command)
        wait_until(lambda: engine.try_run("exec", started, "test", "-e", "/run/hears").status == 0, f"{started} hears")
        return started

    def await_told(self):
        wait_until(lambda: os.path.exists(f"{self.path}/told"), "it is told to stop")

    def let_go(self):
        host.write(self.name, "go", "")

    def seen(self, container):
        return engine.exec(container, "cat", "/data/state")

    def back(self, **body):
        return host.post("/v1/rollbacks", ref=self.name, to=self.good, **body)

    def check(self, state="good"):
        """All run, and see this."""
        for container in self.containers:
            true(engine.is_up(container), f"{container} runs")
            equal(self.seen(container), state, f"what {container} sees")

    def unchanged(self):
        equal(host.read(self.name, "state"), "bad")
        equal(host.items("/v1/stashes", ref=self.name), [], "stashes")

    def remove(self):
        for container in self.containers:
            engine.try_run("rm", "-f", container)


def volume(*containers, **options):
    made = Volume(*containers, **options)
    tap.finally_(made.remove)
    return made


def set_hook(name, script):
    os.makedirs(f"{host.root}/etc/hooks", exist_ok=True)
    path = f"{host.root}/etc/hooks/{name}"
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"#!/bin/sh\n{script}\n")
    os.chmod(path, 0o755)


def outcomes(answer):
    return {item["name"]: item["outcome"] for item in answer["containers"]["items"]}


def started(container):
    return engine.inspect(container)["State"]["StartedAt"]


def finished(container):
    return engine.inspect(container)["State"]["FinishedAt"]


@test
def containers_are_stopped_last_first_and_started_first_first():
    data = volume("base")
    last = data.start("dependent", "--volumes-from", f"{data.name}-base")
    idle = f"{data.name}-idle"
    engine.run("create", "--name", idle, "-v", f"{data.path}:/data", "busybox")
    answer = data.back()
    first = data.containers[0]
    equal(list(outcomes(answer).items()), [(first, "restarted"), (last, "restarted")])
    data.check()
    true(finished(last) < finished(first), "the dependent was stopped first")
    true(started(first) < started(last), "and started last")
    true(not engine.is_up(idle), "what did not run does not run")
    equal(answer["holders"], [], "who sees the old contents")
    equal(answer["containers"]["mode"], "restart")
    engine.run("rm", idle)
    said = host.run("rollback", data.name, "--to", f"{data.name}@{{good}}")
    for word in (f"{first} was stopped and started again", "stopped in", "started in"):
        true(word in said, f"'{word}' in {said}")


@test
def a_point_in_time_is_taken_before_anything_is_stopped():
    """An application writes as it ends, and that is snapshotted by itself: it is not what was meant by `latest`."""
    data = volume()
    data.start_hearing("web", *HOUR, command=SLOW.replace(">/data/told", "bye >/data/state"))
    host.write(data.name, "state", "newest")
    newest = host.snapshot(data.name)["id"]
    host.write(data.name, "state", "bad")
    answer = []

    def roll_back():
        answer.append(host.post("/v1/rollbacks", ref=data.name, to=f"{data.name}@{{latest}}"))

    def snapshot():
        wait_until(lambda: host.read(data.name, "state") == "bye\n", "it writes")
        host.snapshot(data.name)
        data.let_go()

    in_threads([roll_back, snapshot])
    equal(answer[0]["branch"]["tip"], newest)
    data.check("newest")
    data.remove()


@test
def a_stash_is_restored_under_containers_too():
    data = volume("web")
    stash = data.back()["stash"]["ref"]
    data.check()
    answer = host.json("stash", "restore", stash)
    equal(outcomes(answer), {data.containers[0]: "restarted"})
    data.check("bad")


@test
def one_that_ignores_its_stop_signal_is_killed_after_its_patience():
    data = volume()
    data.start_hearing("deaf", "--stop-timeout", "1", command=DEAF)
    answer = data.back()
    equal(outcomes(answer), {data.containers[0]: "restarted"})
    true(answer["containers"]["stop_ms"] >= 900, "it had its second")
    data.check()
    true("told" in os.listdir(os.path.realpath(host.path(data.name))) or
         "told" in host.run("ls", f"{answer['stash']['ref']}:"), "it had been told")


@test
def snapshots_go_on_while_containers_are_stopped():
    data = volume()
    data.start_hearing("slow", *HOUR, command=SLOW)
    thread = threading.Thread(target=data.back)
    thread.start()
    data.await_told()
    host.snapshot(data.name)
    true(thread.is_alive(), "the snapshot did not wait for the container")
    data.let_go()
    thread.join()
    data.check()
    data.remove()


@test
def two_at_once_take_turns():
    data = volume("web")
    in_threads([data.back, data.back])
    data.check()
    equal(len(host.items("/v1/stashes", ref=data.name)), 2, "stashes")


@test
def a_name_that_goes_to_another_branch_meanwhile_is_not_rolled_back():
    with Host() as other:
        other.pool()
        other.create("v")
        good = other.snapshot("v")["ref"]
        other.branch("v/test")
        fake = f"{other.directory}/fake.sock"
        other.run("config", "set", "docker.socket", fake)
        with FakeEngine(fake) as slow:
            other.restart()
            slow.containers = [container("web", other.path("v/test"))]

            def stop():
                slow.containers.clear()  # somebody removes it, so nobody uses the branch
                other.run("rename", "v/test", "old")
                other.branch("v/test")
                return 304, ""

            slow.on_stop = stop
            ran = other.try_run("rollback", "v/test", "--to", good)
            true(ran.status == CODES["busy"][1] and "renamed" in ran.err, f"it says why: {ran}")
            equal(other.items("/v1/stashes", ref="v"), [], "stashes")


@test
def a_daemon_that_is_to_end_does_not_wait_for_a_container_for_hours():
    if not LONG:
        raise tap.Skip("with --long")
    with Host() as other:
        other.pool()
        other.create("v")
        good = other.snapshot("v")["ref"]
        fake = f"{other.directory}/fake.sock"
        other.run("config", "set", "docker.socket", fake)
        told = threading.Event()
        with FakeEngine(fake) as slow:
            other.restart()
            slow.containers = [container("web", other.path("v"), StopTimeout=3600)]
            slow.on_stop = lambda: (told.set(), slow.over.wait(), (304, ""))[2]
            ran = []
            thread = threading.Thread(target=lambda: ran.append(other.try_run("rollback", "v", "--to", good)))
            thread.start()
            told.wait()
            equal(other.stop(), 0, "it ends by itself, within the minute that this waits")
            thread.join()
            true(ran[0].status != 0, f"the rollback says that it was not done: {ran[0]}")
            slow.on_stop = lambda: (304, "")
            other.start()
            equal(other.items("/v1/stashes", ref="v"), [], "stashes")


@test
def what_must_not_be_stopped_is_refused():
    data = volume("web")
    engine.pause(data.containers[0])
    host.fails("busy", "rollback", data.name, "--to", data.good, says=("paused", data.containers[0]), hint="--live")
    data.unchanged()
    engine.run("unpause", data.containers[0])
    data.start("brief", "--rm")
    host.fails("busy", "rollback", data.name, "--to", data.good, says=("--rm",), hint="--live")
    data.unchanged()
    data.check("bad")
    host.fails("invalid", "rollback", data.name, "--to", data.good, "--live", "--force", says=("exclude",))
    try:
        data.back(containers="stop")
    except Failure as failure:
        equal(failure.status, 400)
    else:
        raise AssertionError("'stop' is no mode")


@test
def what_is_wrong_is_found_before_anything_is_stopped():
    data, other = volume("web"), volume()
    before = started(data.containers[0])
    host.fails("not-found", "rollback", data.name, "--to", f"{data.name}@{{nothing}}")
    host.fails("invalid", "rollback", data.name, "--to", other.good, says=("another volume",))
    equal(started(data.containers[0]), before)


@test
def a_failed_swap_starts_all_again():
    data = volume("one", "two")
    set_hook("never", "echo 'failed not today'; exit 1")
    host.run("hook", "set", data.name, "never")
    before = started(data.containers[0])
    host.fails("system", "rollback", data.name, "--to", data.good,
               says=("'" + "', '".join(data.containers) + "' were stopped for it and run again", "not today"))
    data.unchanged()
    data.check("bad")
    true(started(data.containers[0]) > before, "they had been stopped")


@test
def what_is_started_meanwhile_is_restarted():
    """By somebody who does not know; the hook is asked between the stop and the swap."""
    data = volume("web")
    new = data.start("new")
    engine.run("stop", new)
    say = " ".join(engine.command(["start", *data.containers]))
    set_hook("busybody", f"{say} >/dev/null; echo ready; read word; echo done")
    host.run("hook", "set", data.name, "busybody")
    answer = data.back()
    equal(outcomes(answer), {container: "restarted" for container in data.containers})
    equal(answer["branch"]["tip"], host.get("/v1/snapshot", ref=data.good)["id"])
    data.check()


@test
def what_is_left_alone_writes_into_the_stash():
    data = volume("web")
    before = started(data.containers[0])
    answer = host.json("rollback", data.name, "--to", data.good, "--force")
    equal(answer["containers"]["items"], [])
    equal(answer["containers"]["mode"], "leave")
    equal(started(data.containers[0]), before)
    data.check("bad")
    engine.exec(data.containers[0], "sh", "-c", "echo late >/data/late")
    true(answer["holders"], "who sees the old contents is told")
    # What is live later brings it to where the others are.
    later = host.json("rollback", data.name, "--to", data.good, "--live")
    equal(outcomes(later), {data.containers[0]: "replaced"})
    data.check()
    stash = answer["stash"]["ref"]
    wait_until(lambda: "late" in host.run("ls", f"{stash}:"), "late writes are in the stash")


@test
def restart_policies_are_kept_and_do_not_interfere():
    data = volume()
    for policy in ("always", "unless-stopped", "on-failure") if LONG else ("always",):
        data.start(policy, "--restart", policy)
    equal(set(outcomes(data.back()).values()), {"restarted"})
    data.check()
    for container in data.containers:
        equal(engine.inspect(container)["HostConfig"]["RestartPolicy"]["Name"], container.split("-", 1)[1])
    before = engine.pid(data.containers[0])
    os.kill(before, 9)
    wait_until(lambda: engine.pid(data.containers[0]) not in (0, before) and
               not engine.inspect(data.containers[0])["State"]["Restarting"], "the policy still counts")
    data.check()


@test
def volumes_of_the_plugin_are_binds_of_the_branch_too():
    data = volume()
    host.branch(f"{data.name}/test", **{"from": data.good})
    for name, of in ("web", data.name), ("test", f"{data.name}/test"):
        data.containers.append(f"{data.name}-{name}")
        engine.start_container(data.containers[-1], "--volume-driver", PLUGIN, "-v", f"{of}:/data")
    web, other = data.containers
    before = started(other)
    equal(outcomes(data.back()), {web: "restarted"})
    data.check()
    equal(started(other), before, "that of another branch")
    host.write(data.name, "state", "bad")
    equal(outcomes(data.back(containers="live")), {web: "replaced"})
    data.check()
    data.remove()


# --- live ---------------------------------------------------------------------


def lines(text):
    return [int(line) for line in text.split()]


def accepted(container):
    """The last line that a paused writer was told is written."""
    with open(f"/proc/{engine.pid(container)}/root/run/told", encoding="utf-8") as file:
        return lines(file.read())[-1]


def numbers_of(ref, name):
    ran = host.try_run("cat", f"{ref}:{name}")
    return lines(ran.out) if ran.status == 0 else []


@test
def live_loses_no_write():
    """Everything that a writer was told is written is in the head or in the stash."""
    data = volume()
    data.start("lines", command=WRITER)
    data.start("held", command=HOLDER)
    data.start("reader", "-v", f"{data.path}:/again:ro")
    before = [started(container) for container in data.containers]
    wait_until(lambda: all(len(lines(engine.try_run("exec", container, "cat", "/run/told").out)) > 50
                           for container in data.containers[:2]), "they write")
    answer = host.json("rollback", data.name, "--to", data.good, "--live")
    found = [(item["name"], item["path"], item["outcome"]) for item in answer["containers"]["items"]]
    equal(sorted(found), sorted([(container, "/data", "replaced") for container in data.containers] +
                                [(data.containers[2], "/again", "replaced")]))
    equal([started(container) for container in data.containers], before, "none was stopped")
    data.check()
    equal(engine.exec(data.containers[2], "cat", "/again/state"), "good")
    true(engine.try_run("exec", data.containers[2], "touch", "/again/x").status != 0, "read-only stays read-only")
    wait_until(lambda: os.path.exists(f"{data.path}/lines"), "the writer is in the new head")
    engine.pause(data.containers[0])
    engine.pause(data.containers[1])
    written = [accepted(container) for container in data.containers[:2]]
    with open(f"{data.path}/lines", encoding="utf-8") as file:
        head = lines(file.read())
    true(not os.path.exists(f"{data.path}/held"), "what is held open stays in the old contents")
    for container in data.containers[:2]:
        engine.run("rm", "-f", container)
    stash = answer["stash"]["ref"]
    wait_until(lambda: host.get("/v1/stash", ref=stash)["held"] is False and
               written[1] in numbers_of(stash, "held"), "late writes are in the stash", 180)
    stashed = numbers_of(stash, "lines")
    equal(stashed + head, list(range(1, (stashed + head)[-1] + 1)), "lines")
    true(len(stashed + head) >= written[0], "every line that was accepted is somewhere")
    equal(numbers_of(stash, "held")[:written[1]], list(range(1, written[1] + 1)), "lines of the open file")


@test
def live_replaces_directories_and_says_what_it_can_not():
    data = volume()
    os.mkdir(f"{data.path}/later")
    web = f"{data.name}-web"
    data.containers.append(web)
    engine.start_container(web, "-v", f"{data.path}:/data", "-v", f"{data.path}/later:/later")
    answer = data.back(containers="live")
    found = {item["path"]: item for item in answer["containers"]["items"]}
    equal(found["/data"]["outcome"], "replaced")
    equal(found["/later"]["outcome"], "kept")
    true("later" in found["/later"]["why"], found["/later"]["why"])
    data.check()
    true([holder for holder in answer["holders"] if "later" in holder["what"]], f"{answer['holders']}")


def live_and_dead(data, number):
    """A live rollback with a daemon that dies at that step.  False: it does not come to it."""
    host.stop()
    host.spawn(FLOCKER_CRASH_AFTER=number)
    wait_until(lambda: host.ready() or host.dead(), "flockerd answers or ends")
    ran = None if host.dead() else host.try_run("rollback", data.name, "--to", data.good, "--live")
    if ran and ran.status == 0:
        host.restart()
        return False
    wait_until(host.dead, f"the daemon has died: {ran}")
    host.start()
    return True


@test
def what_a_daemon_that_died_left_on_the_old_contents_gets_the_new_ones():
    data = volume("web")
    number, swapped = 1, 0
    while live_and_dead(data, number):
        state = host.read(data.name, "state")
        wait_until(lambda: data.seen(data.containers[0]) == state, f"it sees the new contents after step {number}")
        swapped += state == "good"
        host.write(data.name, "state", "bad")
        equal(data.seen(data.containers[0]), "bad", "it is the head that it sees")
        number += 1
    true(swapped > 0, f"after the swap it died {swapped} times")
    wait_until(lambda: host.json("status")["failing"] == [], "nothing is wrong")


@test
def status_tells_what_stays_on_the_old_contents_after_that():
    data = volume()
    os.mkdir(f"{data.path}/later")
    web = f"{data.name}-web"
    data.containers.append(web)
    engine.start_container(web, "-v", f"{data.path}/later:/later")
    # When the hook is told of the end the head is another one.
    set_hook("late", f"echo ready; read word; kill -9 {host.daemon.pid}; sleep 1000")
    host.run("hook", "set", data.name, "late")
    true(host.try_run("rollback", data.name, "--to", data.good, "--live").status == 11, "the daemon dies")
    wait_until(host.dead, "the daemon has died")
    host.start()

    def told():
        return [row for row in host.json("status")["failing"] if row["what"] == "old-head"]

    wait_until(told, "status tells it")
    equal(told()[0]["object"], f"{data.name}/trunk")
    for word in (engine.inspect(web)["Id"][:12], "'/later'"):
        true(word in told()[0]["message"], f"{word} in {told()}")
    true("restart" in told()[0]["hint"], f"{told()}")
    engine.run("rm", "-f", web)
    wait_until(lambda: not told(), "and no more when it is gone")


# --- trouble ------------------------------------------------------------------


@tests_for((False, True), name=lambda swapped: "swap and start" if swapped else "stop and swap")
def a_daemon_that_is_killed_starts_all_again_between(swapped):
    """By its own hook, which is asked when all is stopped, and told when the head is another one."""
    data = volume("one", "two")
    set_hook("deadly", f"echo ready; {'read word; ' if swapped else ''} kill -9 {host.daemon.pid}; sleep 1000")
    host.run("hook", "set", data.name, "deadly")
    true(host.try_run("rollback", data.name, "--to", data.good).status == 11, "the daemon dies")
    wait_until(host.dead, "the daemon has died")
    true(not any(map(engine.is_up, data.containers)), "all are stopped")
    host.start()
    wait_until(lambda: all(map(engine.is_up, data.containers)), "they run again")
    equal(host.read(data.name, "state"), "good" if swapped else "bad")
    data.check("good" if swapped else "bad")
    true(started(data.containers[0]) < started(data.containers[1]), "in their order")
    # The engine knows that they run before the daemon has heard of it.
    wait_until(lambda: not [item for item in host.json("status")["failing"] if item["what"] == "not-started"], "all is told")


def roll_back_and_die(data, variable, number):
    """With a daemon that dies at that step.  False: the rollback does not come to it."""
    host.stop()
    host.spawn(**{variable: number})
    wait_until(lambda: host.ready() or host.dead(), "flockerd answers or ends")
    if host.dead():  # it opens the pool by such steps, too
        host.start()
        return True
    ran = host.try_run("rollback", data.name, "--to", data.good)
    if ran.status == 0:
        host.restart()
        return False
    wait_until(host.dead, f"the daemon has died: {ran}")
    data.stopped += not engine.is_up(data.containers[0])
    host.start()
    wait_until(lambda: engine.is_up(data.containers[0]), "it runs again")
    return True


@tests_for(("FLOCKER_CRASH_AT", "FLOCKER_CRASH_AFTER") if LONG else ())
def a_daemon_that_dies_at_any_step_starts_all_again(variable):
    """Between stop and swap, in it, and between swap and start."""
    data = volume("one")
    data.stopped = 0
    number, done, stashes = 1, 0, 0
    while roll_back_and_die(data, variable, number):
        state = host.read(data.name, "state")
        data.check(state)
        equal(len(host.items("/v1/stashes", ref=data.name)), stashes + (state == "good"), "stashes")
        stashes += state == "good"
        done += state == "good"
        wait_until(lambda: host.json("status")["failing"] == [], "nothing is wrong")
        host.write(data.name, "state", "bad")
        number += 1
    true(data.stopped > 0 and done > 0, f"{data.stopped} died after the stop, {done} of all after the swap")
    data.check()


@tests_for(("SIGKILL",) if LONG else ())
def a_daemon_that_is_killed_while_it_stops_starts_all_again(_):
    data = volume("one")
    data.start_hearing("slow", *HOUR, command=SLOW)
    threading.Thread(target=host.try_run, args=("rollback", data.name, "--to", data.good)).start()
    data.await_told()
    host.kill()
    data.let_go()
    # The engine goes on with what it was told.
    wait_until(lambda: not engine.is_up(data.containers[1]), "it is stopped")
    true(engine.is_up(data.containers[0]), "the one before it was not stopped yet")
    host.start()
    wait_until(lambda: engine.is_up(data.containers[1]), "it runs again")
    data.unchanged()
    data.check("bad")
    data.remove()


@test
def an_engine_that_is_killed_gets_its_containers_back():
    data = volume("one")
    data.start_hearing("slow", *HOUR, command=SLOW)
    ran = []
    thread = threading.Thread(target=lambda: ran.append(host.try_run("rollback", data.name, "--to", data.good)))
    thread.start()
    data.await_told()
    engine.kill("dockerd")
    data.let_go()
    thread.join()
    equal(ran[0].status, 11, f"unreachable: {ran[0]}")
    data.unchanged()
    wait_until(lambda: [f for f in host.json("status")["failing"] if f["what"] == "not-started"], "status says it")
    engine.start()
    wait_until(lambda: all(map(engine.is_up, data.containers)), "they run again")
    data.check("bad")
    wait_until(lambda: host.json("status")["failing"] == [], "nothing is wrong")
    data.remove()


@test
def without_an_answer_nothing_is_changed():
    data = volume("one")
    data.back()  # so it is known that there is one
    engine.processes["dockerd"].send_signal(19)  # SIGSTOP
    try:
        ran = host.try_run("rollback", data.name, "--to", data.good, "--force")
        equal(ran.status, 0, f"--force asks no engine: {ran}")
    finally:
        engine.processes["dockerd"].send_signal(18)
    engine.end("dockerd", 300)  # it stops all containers there are
    again = volume()
    host.fails("unreachable", "rollback", again.name, "--to", again.good, says=("engine",))
    again.unchanged()
    answer = again.back(containers="live")
    equal(answer["containers"]["items"], [], "live needs no engine")
    engine.start()


@test
def one_that_was_removed_meanwhile_is_told():
    data = volume("stays")
    data.start_hearing("goes", *HOUR, command=DEAF)
    answer = []
    thread = threading.Thread(target=lambda: answer.append(data.back()))
    thread.start()
    data.await_told()
    engine.run("rm", "-f", data.containers[1])
    thread.join()
    equal(outcomes(answer[0])[data.containers[1]], "gone")
    data.containers.pop()
    data.check()


main()
