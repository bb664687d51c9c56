"""Compares the options that the actions of the collection check with those that they document. Use: documented.py DIRECTORY

DIRECTORY has ansible_collections in it. Prints each difference and ends with 1 if there is one.
"""

import importlib
import pathlib
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


def main(directory):
    init_plugin_loader([directory])
    fragment = importlib.import_module(COLLECTION + ".doc_fragments.command").ModuleDocFragment
    shared = yaml.safe_load(fragment.DOCUMENTATION)["options"]
    common = importlib.import_module(COLLECTION + ".plugin_utils.command").COMMON
    pages = sorted(pathlib.Path(directory, "ansible_collections/tune/tune/plugins/modules").glob("*.py"))
    differences = 0
    for page in pages:
        action = importlib.import_module("%s.action.%s" % (COLLECTION, page.stem)).ActionModule
        says = documented("%s.modules.%s" % (COLLECTION, page.stem), shared)
        does = checked({**common, **action.OPTIONS})
        for name in sorted(set(says) | set(does)):
            if says.get(name) != does.get(name):
                differences += 1
                print("%s: %s: documented %s, checked %s" % (page.stem, name, says.get(name), does.get(name)))
    print("%d actions, %d differences" % (len(pages), differences))
    return 1 if differences or len(pages) < 4 else 0


sys.exit(main(sys.argv[1]))
