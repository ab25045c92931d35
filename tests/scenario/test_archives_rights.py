#!/usr/bin/python3
"""Who may import what: directories of the host, devices, programs that give rights."""

import io
import os
import shutil
import stat
import subprocess
import tarfile

import tap
from archives import contents
from flocker import CODES, COMMAND, host_with_pool, temporary
from tap import equal, test, true

host = host_with_pool()
STRANGER, GROUP = 65534, 4242

# The group's way in, as the group `flocker` has it; and what is on it belongs to root.
os.chown(host.socket, 0, GROUP)
public = temporary(host)
for directory in (host.directory, host.root, os.path.dirname(host.socket), public):
    os.chmod(directory, 0o755)
shutil.copy(COMMAND, f"{public}/flocker")
os.mkdir(f"{public}/source")
with open(f"{public}/source/file", "w", encoding="utf-8") as made:
    made.write("text")


def as_stranger(*arguments, input=None):
    return subprocess.run(["setpriv", f"--reuid={STRANGER}", f"--regid={GROUP}", "--clear-groups",
                           f"{public}/flocker", *arguments], capture_output=True, input=input,
                          env={"FLOCKER_SOCKET": host.socket}, check=False, timeout=60)


def tar(*entries):
    """A tar of (name, attributes of the entry, data)."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as file:
        for name, attributes, data in entries:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            for key, value in attributes.items():
                setattr(info, key, value)
            file.addfile(info, io.BytesIO(data))
    return out.getvalue()


DEVICES = tar(("null", {"type": tarfile.CHRTYPE, "devmajor": 1, "devminor": 3, "mode": 0o666}, b""),
              ("disk", {"type": tarfile.BLKTYPE, "devmajor": 7, "devminor": 99, "mode": 0o600}, b""))
RIGHTS = tar(("su", {"mode": 0o4755}, b"x"), ("sg", {"mode": 0o2755}, b"x"),
             ("folder", {"type": tarfile.DIRTYPE, "mode": 0o2775}, b""))
CAPABLE = tar(("ping", {"mode": 0o755, "pax_headers": {
    "SCHILY.xattr.security.capability": "\x01\x00\x00\x02\x00\x20" + "\x00" * 14}}, b"x"))


def bring(ref, data, *options):
    path = f"{host.directory}/archive.tar"
    with open(path, "wb") as file:
        file.write(data)
    return ("import", ref, path, *options)


@test
def only_root_has_a_directory_of_the_host_copied():
    done = as_stranger("create", "stolen", "--from-directory", f"{public}/source")
    equal(done.returncode, CODES["denied"][1], f"exit status: {done.stderr}")
    true(b"only root" in done.stderr and b"tar -C" in done.stderr, f"it says what to do: {done.stderr}")
    host.fails("not-found", "show", "stolen")
    equal(host.items("/v1/operations"), [], "operations")
    record = host.get("/v1/audit", limit=1)["items"][0]
    equal((record["verb"], record["object"], record["outcome"], record["uid"]),
          ("import", "stolen", "denied", STRANGER), "record")
    host.run("create", "copied", "--from-directory", f"{public}/source")
    equal(host.read("copied", "file"), "text", "contents for root")


@test
def archives_are_for_whoever_may_talk_to_the_daemon():
    done = as_stranger("import", "his", "-", input=tar(("file", {}, b"his")))
    equal(done.returncode, 0, f"exit status: {done.stderr}")
    equal(host.read("his", "file"), "his", "contents")
    done = as_stranger("export", "his", "-")
    equal(contents(done.stdout), {"file": b"his"}, "what was exported")
    record = host.get("/v1/operations")["items"]
    equal({(o["verb"], o["state"]) for o in record}, {("import", "done"), ("export", "done")}, "operations")


@test
def devices_only_where_asked_for():
    host.fails("invalid", *bring("devices", DEVICES), says="null", hint="--devices")
    host.fails("invalid", *bring("devices", DEVICES, "--setuid"), hint="--devices")
    host.fails("not-found", "show", "devices")
    host.run(*bring("devices", DEVICES, "--devices"))
    null, disk = (os.stat(f"{host.path('devices')}/{name}") for name in ("null", "disk"))
    true(stat.S_ISCHR(null.st_mode) and stat.S_ISBLK(disk.st_mode), "kinds")
    equal((null.st_rdev, disk.st_rdev), (os.makedev(1, 3), os.makedev(7, 99)), "numbers")
    # They are there to be kept, not to be used: nothing opens a device below the mount root.
    try:
        os.close(os.open(f"{host.path('devices')}/null", os.O_RDONLY))
        raise AssertionError("a device was opened")
    except PermissionError:
        pass


@test
def rights_only_where_asked_for():
    for data, says in ((RIGHTS, "set-uid"), (CAPABLE, "capabilities")):
        host.fails("invalid", *bring("rights", data), says=says, hint="--setuid")
        host.fails("invalid", *bring("rights", data, "--devices"), hint="--setuid")
    host.run(*bring("rights", RIGHTS, "--setuid"))
    modes = {name: stat.S_IMODE(os.stat(f"{host.path('rights')}/{name}").st_mode)
             for name in ("su", "sg", "folder")}
    equal(modes, {"su": 0o4755, "sg": 0o2755, "folder": 0o2775}, "modes")
    host.run(*bring("capable", CAPABLE, "--setuid"))
    true("security.capability" in os.listxattr(f"{host.path('capable')}/ping"), "capabilities")
    # Nothing gets rights by them below the mount root.
    true(os.statvfs(host.path("rights")).f_flag & os.ST_NOSUID, "nosuid")


@test
def what_was_kept_goes_out_again():
    host.run("export", "devices", f"{host.directory}/devices.tar")
    with tarfile.open(f"{host.directory}/devices.tar") as file:
        kinds = {entry.name.removeprefix("./"): entry.type for entry in file}
    equal((kinds["null"], kinds["disk"]), (tarfile.CHRTYPE, tarfile.BLKTYPE), "kinds")
    host.run("export", "rights", f"{host.directory}/rights.tar")
    with tarfile.open(f"{host.directory}/rights.tar") as file:
        modes = {entry.name.removeprefix("./"): entry.mode for entry in file}
    equal((modes["su"], modes["sg"]), (0o4755, 0o2755), "modes")


if __name__ == "__main__":
    tap.main()
