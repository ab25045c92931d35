"""Catalogues and backups of other versions of the schema than this program's.

Every page of a catalogue ends with a checksum (src/catalog/checksum-vfs.c), which
is made anew here; and so does every record of a backup begin with one
(src/catalog/backup.h).
"""

import hashlib
import pathlib
import re
import sqlite3
import struct

import tap

PAGE = 4096
ALL = (1 << 64) - 1
TOP = pathlib.Path(__file__).resolve().parent.parent.parent


# --- pages ---------------------------------------------------------------------------


def checksum(page, number):
    value = (number * 0x9E3779B97F4A7C15 + 0xC2B2AE3D27D4EB4F) & ALL
    for (word,) in struct.iter_unpack("<Q", page[:PAGE - 8]):
        value = (value ^ word) * 0xFF51AFD7ED558CCD & ALL
        value = (value << 29 | value >> 35) & ALL
    value ^= value >> 32
    value = value * 0xC4CEB9FE1A85EC53 & ALL
    return value ^ value >> 29


def sealed(page, number):
    return page[:PAGE - 8] + struct.pack("<Q", checksum(page, number))


def make_newer(path):
    """Makes a catalogue one of a later version than any program knows; its first page."""
    with open(path, "r+b") as file:
        page = bytearray(file.read(PAGE))
        tap.equal(bytes(page), sealed(page, 0), "the first page, its checksum made here")
        page[60:64] = struct.pack(">I", 9999)  # SQLite's user_version
        page = sealed(page, 0)
        file.seek(0)
        file.write(page)
    return bytes(page)


def version_1():
    """The SQL of the first version, from the source."""
    source = (TOP / "src/catalog/schema.c").read_text(encoding="utf-8")
    literal = re.search(r"version_1\[\] =(.*?);\n\n", source, re.S)[1]
    return "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', literal)).replace(r"\n", "\n").replace(r"\t", "\t")


def schema_of(database):
    rows = database.execute("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name")
    return [(name, " ".join(sql.replace("(", " ( ").replace(")", " ) ").split())) for name, sql in rows]


def make_first(path):
    """Makes a catalogue of the newest version one of the first, with all that it held then."""
    database = sqlite3.connect(path, isolation_level=None)
    database.executescript("DROP TABLE operation; DROP TABLE hook; DROP TABLE system; DROP TABLE stopped; DROP TABLE pin;"
                           "DROP TABLE peer; DROP INDEX branch_name; CREATE UNIQUE INDEX branch_name ON branch"
                           " (volume, name) WHERE destroyed = 0; ALTER TABLE volume DROP COLUMN quota;"
                           "ALTER TABLE volume DROP COLUMN late; ALTER TABLE branch DROP COLUMN late;"
                           "ALTER TABLE snapshot DROP COLUMN late; ALTER TABLE branch DROP COLUMN policy;"
                           "PRAGMA user_version = 1; PRAGMA wal_checkpoint(TRUNCATE);")
    model = sqlite3.connect(":memory:")
    model.executescript(version_1())
    tap.equal(schema_of(database), schema_of(model), "the schema of the first version")
    database.close()
    data = pathlib.Path(path).read_bytes()
    pathlib.Path(path).write_bytes(b"".join(sealed(data[at:at + PAGE], at // PAGE)
                                            for at in range(0, len(data), PAGE)))


# --- records of a backup: changesets, as SQLite's documentation has them ----------------


class Changeset:
    def __init__(self, data):
        self.data, self.at = data, 0

    def byte(self):
        self.at += 1
        return self.data[self.at - 1]

    def varint(self):
        value = 0
        while True:
            byte = self.byte()
            value = value << 7 | byte & 0x7F
            if byte < 0x80:
                return value

    def value(self):
        """The bytes of one column's value."""
        start, kind = self.at, self.byte()
        if kind in (1, 2):
            self.at += 8
        elif kind in (3, 4):
            length = self.varint()
            self.at += length
        return self.data[start:self.at]

    def record(self, columns, kept):
        return b"".join([self.value() for _ in range(columns)][:kept])

    def first(self):
        """The same in the first version: volumes and branches had 12 columns."""
        out, columns, kept = b"", 0, 0
        while self.at < len(self.data):
            kind = self.byte()
            if kind == ord("T"):
                columns = self.varint()
                keys = self.data[self.at:self.at + columns]
                end = self.data.index(b"\0", self.at + columns) + 1
                name = self.data[self.at + columns:end]
                self.at, kept = end, 12 if name in (b"volume\0", b"branch\0") else columns
                out += b"T" + bytes([kept]) + keys[:kept] + name
                continue
            out += bytes([kind, self.byte()])
            for _ in range(2 if kind == 23 else 1):  # an update has the old values and the new
                out += self.record(columns, kept)
        return out


def with_version(backup, version, convert=lambda changeset: changeset):
    """A backup whose records say that they are of this version."""
    out, at = b"", 0
    while at < len(backup):
        length, generation = struct.unpack("<IQ", backup[at + 4:at + 16])
        changeset = convert(backup[at + 24:at + 24 + length])
        head = b"FlB" + bytes([version]) + struct.pack("<IQ", len(changeset), generation)
        out += head + hashlib.sha256(head + changeset).digest()[:8] + changeset
        at += 24 + length
    return out


def first_backup(backup):
    return with_version(backup, 1, lambda changeset: Changeset(changeset).first())
