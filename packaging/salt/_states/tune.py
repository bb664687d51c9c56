"""
Profiles of tune: applied, or given up.

.. code-block:: yaml

    web-server:
      tune.applied

    fin-wait-2-relief:
      tune.absent

With ``test=True`` nothing is changed, and what would be is told. One state is one profile; where nothing is to be
done it is one call of tune.
"""

from salt.exceptions import CommandExecutionError, SaltInvocationError

__virtualname__ = "tune"

LAYERS = {"runtime": "running kernel"}


def __virtual__():
    return __virtualname__


def applied(name, executable="tune", state_dir=None, **options):
    """
    Ensures that the host satisfies a profile, now and after the next boot.

    name
        The profile's name, or with a / the path of its file.
    executable
        The tune to use: its path, or its name where it is to be looked for.
    state_dir
        Where tune keeps journals and claims, if not in its usual place.

    All options of the module's ``tune.apply`` are taken too: ``runtime_only``, ``boot_only``, ``take_over``,
    ``accept_override``, ``overwrite_foreign``, ``skip_unsupported``, ``accept_irreversible``, ``only``, ``except``,
    ``allow_unsafe``, ``replace``.
    """

    def apply():
        return __salt__["tune.apply"](name, __opts__["test"], executable, state_dir, **options)

    return _state(name, executable, apply)


def absent(name, executable="tune", state_dir=None, **options):
    """
    Ensures that a profile holds nothing: the values are what they would be without it.

    ``overwrite_foreign`` and ``all_or_nothing`` are those of the module's ``tune.off``; the rest is as above. A profile
    is named here, also where it was applied from a path.
    """

    def give_up():
        held = __salt__["tune.active"](executable, state_dir)
        if held.get("failed"):
            return held
        if name not in held["profiles"]:
            return {"changed": False, "comment": "it holds nothing"}
        return __salt__["tune.off"](name, __opts__["test"], executable, state_dir, **options)

    return _state(name, executable, give_up)


def _state(name, executable, call):
    test = __opts__["test"]
    # With test the package may be about to be installed by the same states.
    if test and __salt__["tune.installed"](executable) is None:
        return _result(name, None, "tune is not installed, so it is not known what would be changed")
    try:
        document = call()
    except (CommandExecutionError, SaltInvocationError) as error:
        return _result(name, False, str(error))
    # A plan that is refused would fail when it is carried out, so it fails at once.
    if document.get("failed") or document.get("refusals"):
        return _result(name, False, _failure(document), _changes(document) if not test else {})
    result = None if test and document["changed"] else True
    return _result(name, result, _comment(document), _changes(document), document.get("warnings"))


def _result(name, result, comment, changes=None, warnings=None):
    told = {"name": name, "result": result, "comment": comment, "changes": changes or {}}
    return {**told, "warnings": warnings} if warnings else told


def _comment(document):
    reboot = "\nsome of it takes hold at the next reboot" if document.get("reboot_required") else ""
    return document["comment"] + reboot


def _failure(document):
    refusals = document.get("refusals", [])
    causes = document.get("causes", []) + [one["message"] for one in refusals if one["message"] not in document["msg"]]
    hints = document.get("hints", []) + [hint for one in refusals for hint in one["hints"]]
    conflicts = [
        f"{one['target']} is {one['found']}, not {one['expected']} as tune left it; "
        "somebody else changed it, and it stays"
        for one in document.get("conflicts", [])
    ]
    return "\n".join([document["msg"], *causes, *conflicts, *(f"hint: {hint}" for hint in dict.fromkeys(hints))])


def _changes(document):
    """Returns old and new by key; where only one of the two layers changes, or each otherwise, the key says which."""
    layers = {}
    for one in document.get("changes", []):
        where = layers.setdefault((one["key"], one["before"], one["after"]), [])
        where.append(LAYERS.get(one["scope"], "next boot"))
    found = {}
    for (key, old, new), where in layers.items():
        found[key if len(set(where)) > 1 else f"{key} ({where[0]} only)"] = {"old": old, "new": new}
    return found
