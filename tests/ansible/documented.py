"""Compares what the actions of the collection check with what they document. Use: documented.py DIRECTORY PAGE...

DIRECTORY has ansible_collections in it. The options of each action must be those of its documentation, and tasks and roles
in the pages must have no others. Prints what is wrong, and ends with 1 if anything is.
"""

import importlib
import pathlib
import re
import sys

import yaml
from ansible.plugins.loader import init_plugin_loader

COLLECTION = "ansible_collections.tune.tune.plugins"
CHECKED = {"type": "str", "elements": None, "required": False, "default": None, "choices": None}


def checked(options):
    return {
        name: {key: option.get(key, unsaid) for key, unsaid in CHECKED.items()}
        for name, option in options.items()
    }


def documented(module, shared):
    own = yaml.safe_load(importlib.import_module(module).DOCUMENTATION).get("options", {})
    return checked({**shared, **own})


def actions_of(collection):
    """Returns for each action the options that it checks and those that it documents."""
    fragment = importlib.import_module(COLLECTION + ".doc_fragments.command").ModuleDocFragment
    shared = yaml.safe_load(fragment.DOCUMENTATION)["options"]
    common = importlib.import_module(COLLECTION + ".plugin_utils.command").COMMON
    for page in sorted(collection.glob("plugins/modules/*.py")):
        action = importlib.import_module("%s.action.%s" % (COLLECTION, page.stem)).ActionModule
        does = checked({**common, **action.OPTIONS})
        yield page.stem, does, documented("%s.modules.%s" % (COLLECTION, page.stem), shared)


def uses(node):
    """Finds what is told to do in a page, at any depth: the name of an action or a role, and its options."""
    if isinstance(node, list):
        for each in node:
            yield from uses(each)
    elif isinstance(node, dict):
        if "role" in node:
            yield node["role"], node.get("vars") or {}
        for key, value in node.items():
            if str(key).startswith("tune.tune."):
                yield key, value or {}
            yield from uses(value)


def main(directory, *pages):
    init_plugin_loader([directory])
    collection = pathlib.Path(directory, "ansible_collections/tune/tune")
    wrong, known = [], {}
    for name, does, says in actions_of(collection):
        known["tune.tune." + name] = does
        for option in sorted(set(says) | set(does)):
            if says.get(option) != does.get(option):
                wrong.append("%s: %s: documented %s, checked %s" % (name, option, says.get(option), does.get(option)))
    actions = len(known)
    roles = yaml.safe_load((collection / "roles/host/meta/argument_specs.yml").read_text())
    known["tune.tune.host"] = roles["argument_specs"]["main"]["options"]
    shown = 0
    for page in pages:
        for block in re.findall(r"^```yaml\n(.*?)^```$", pathlib.Path(page).read_text(), re.M | re.S):
            for name, options in uses(yaml.safe_load(block)):
                shown += 1
                unknown = set(options) - set(known.get(name, {}))
                if name not in known or unknown:
                    wrong.append("%s: %s: %s" % (page, name, sorted(unknown) or "there is none"))
    print("\n".join(wrong + ["%d actions, %d uses, %d wrong" % (actions, shown, len(wrong))]))
    return 1 if wrong else 0


sys.exit(main(*sys.argv[1:]))
