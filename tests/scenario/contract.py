"""Is an answer what openapi.yaml promises?"""

import functools
import pathlib

import jsonschema
import yaml

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
SAMPLE = 20  # of a long list that many items from each end are looked at


@functools.lru_cache(None)
def contract():
    with open(TOP / "openapi.yaml", encoding="utf-8") as file:
        return yaml.load(file, getattr(yaml, "CSafeLoader", yaml.SafeLoader))


def resolve(value):
    while isinstance(value, dict) and "$ref" in value:
        target = contract()
        for part in value["$ref"].removeprefix("#/").split("/"):
            target = target[part.replace("~1", "/").replace("~0", "~")]
        value = target
    return value


@functools.lru_cache(None)
def operation(method, path):
    paths = contract()["paths"]
    known = paths.get(path) or paths.get(path.removeprefix("/v1"))
    return resolve(known).get(method.lower()) if known else None


@functools.lru_cache(None)
def response(method, path, status):
    """A validator for the body of this answer; None when the answer has no body."""
    found = operation(method, path)
    if found is None:
        raise AssertionError(f"{method} {path} is not in openapi.yaml")
    answers = found["responses"]
    answer = answers.get(str(status)) or answers.get(f"{status // 100}XX") or answers.get("default")
    if answer is None:
        raise AssertionError(f"{method} {path} answered {status}, which openapi.yaml does not know")
    content = resolve(answer).get("content")
    if not content:
        return None
    resolver = jsonschema.RefResolver("", contract())
    return jsonschema.Draft202012Validator(content["application/json"]["schema"], resolver=resolver)


def shortened(body):
    """A long list by its ends: all its items have the same shape."""
    items = body.get("items") if isinstance(body, dict) else body
    if not isinstance(items, list) or len(items) <= 2 * SAMPLE:
        return body
    ends = items[:SAMPLE] + items[-SAMPLE:]
    return {**body, "items": ends} if isinstance(body, dict) else ends


def check(method, path, status, body):
    """`body`: the decoded JSON, or None when there was none."""
    if method not in ("GET", "POST", "PATCH", "DELETE") or (status >= 400 and not known(method, path)):
        return
    validator = response(method, path, status)
    if validator is None:
        if body is not None:
            raise AssertionError(f"{method} {path} {status} has a body, openapi.yaml says it has none")
        return
    errors = list(validator.iter_errors(shortened(body)))
    if errors:
        told = "; ".join(f"{'/'.join(map(str, e.absolute_path))}: {e.message}" for e in errors[:5])
        raise AssertionError(f"{method} {path} {status} is not as openapi.yaml says: {told}")


def known(method, path):
    return operation(method, path) is not None
