"""schema.py SCHEMA FILE: is every line of FILE of SCHEMA?  As much of JSON Schema as
docs/events.schema.json uses."""
import json, re, sys

TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}


def is_type(v, name):
    if name == "integer":
        return isinstance(v, int) and not isinstance(v, bool)
    if name == "number":
        return isinstance(v, (int, float)) and not isinstance(v, bool)
    return isinstance(v, TYPES[name])


def valid(v, s, root):
    if "$ref" in s:
        node = root
        for part in s["$ref"].lstrip("#/").split("/"):
            node = node[part]
        return valid(v, node, root)
    known = {"$schema", "title", "$defs", "type", "required", "properties", "items", "enum", "const",
             "pattern", "minimum", "oneOf", "anyOf"}
    assert set(s) <= known, set(s) - known
    if "type" in s:
        names = s["type"] if isinstance(s["type"], list) else [s["type"]]
        if not any(is_type(v, n) for n in names):
            return False
    if "const" in s and (v != s["const"] or type(v) is not type(s["const"])):
        return False
    if "enum" in s and v not in s["enum"]:
        return False
    if "pattern" in s and isinstance(v, str) and not re.search(s["pattern"], v):
        return False
    if "minimum" in s and is_type(v, "number") and v < s["minimum"]:
        return False
    if isinstance(v, dict):
        if any(k not in v for k in s.get("required", [])):
            return False
        if any(k in v and not valid(v[k], p, root) for k, p in s.get("properties", {}).items()):
            return False
    if isinstance(v, list) and "items" in s and not all(valid(x, s["items"], root) for x in v):
        return False
    if "anyOf" in s and not any(valid(v, x, root) for x in s["anyOf"]):
        return False
    if "oneOf" in s and sum(valid(v, x, root) for x in s["oneOf"]) != 1:
        return False
    return True


schema = json.load(open(sys.argv[1]))
lines = open(sys.argv[2]).read().splitlines()
assert lines, "no lines"
for line in lines:
    assert valid(json.loads(line), schema, schema), line
