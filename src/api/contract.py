#!/usr/bin/env python3
"""Writes openapi.yaml as JSON in a C string, for GET /v1/openapi.json.

usage: contract.py openapi.yaml contract.c
"""

import json
import sys

import yaml


def main(source, target):
    with open(source, encoding="utf-8") as file:
        document = yaml.safe_load(file)
    text = json.dumps(document, separators=(",", ":"))
    with open(target, "w", encoding="ascii") as file:
        file.write('#include "api/routes.h"\n\n')
        # JSON in ASCII, quoted as a JSON string, is a C string literal too.
        file.write(f"const char openapi_json[] = {json.dumps(text)};\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
