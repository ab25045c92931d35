#!/usr/bin/python3
"""newer-catalog PATH: makes a catalogue one of a later version than any program knows.

The version is in the first page, and every page of a catalogue ends with a
checksum (src/catalog/checksum-vfs.c), which is made anew here.
"""

import struct
import sys

PAGE = 4096
ALL = (1 << 64) - 1


def checksum(page, number):
    value = (number * 0x9E3779B97F4A7C15 + 0xC2B2AE3D27D4EB4F) & ALL
    for (word,) in struct.iter_unpack("<Q", page[:PAGE - 8]):
        value = (value ^ word) * 0xFF51AFD7ED558CCD & ALL
        value = (value << 29 | value >> 35) & ALL
    value ^= value >> 32
    value = value * 0xC4CEB9FE1A85EC53 & ALL
    return value ^ value >> 29


with open(sys.argv[1], "r+b") as file:
    page = bytearray(file.read(PAGE))
    if struct.unpack("<Q", page[-8:])[0] != checksum(page, 0):
        sys.exit("the first page has another checksum than this program makes")
    page[60:64] = struct.pack(">I", 9999)  # SQLite's user_version
    page[-8:] = struct.pack("<Q", checksum(page, 0))
    file.seek(0)
    file.write(page)
