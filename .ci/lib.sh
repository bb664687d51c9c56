# shellcheck shell=bash
# What .ci/run, .ci/full and .ci/cross-check share. Sourced, not run.

# Where tools are kept that take long to make.
# shellcheck disable=SC2034 # used by those who source this
CACHE=${TUNE_CI_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/tune-ci}

# The newest Ansible for the Python of Debian 12: what the collection in packaging/ansible is tested with.
# shellcheck disable=SC2034 # used by those who source this
ANSIBLE_CORE=2.19.14

# Prints the path of a Python that has a package from PyPI in that version, and installs it first where it is missing.
python_with() {
    local root=$CACHE/${1//_/-}-$2
    [[ -x $root/bin/python ]] || {
        rm -rf "$root.new" && python3 -m venv "$root.new" &&
            "$root.new/bin/pip" install --quiet --disable-pip-version-check "$1==$2" >&2 &&
            mv "$root.new" "$root"
    } && echo "$root/bin/python"
}

# Runs a named step: heading, command, verdict and time. A failed step is remembered, not fatal, so
# that one run shows everything that is wrong; `finish` then fails.
FAILED_STEPS=()
step() {
    local name=$1 started=$SECONDS verdict=ok
    shift
    printf '\n== %s: %s\n' "$name" "$*"
    # errexit does not reach into a command whose status is tested, so functions used as steps must
    # join their commands with &&.
    if ! "$@"; then
        verdict=FAILED
        FAILED_STEPS+=("$name")
    fi
    printf -- '-- %s: %s, %d s\n' "$name" "$verdict" $((SECONDS - started))
}

# Prints the result line and exits 0 only if every step passed.
finish() {
    if ((${#FAILED_STEPS[@]} == 0)); then
        printf '\nRESULT: passed, %d s\n' "$SECONDS"
        exit 0
    fi
    printf '\nRESULT: FAILED, %d s: %s\n' "$SECONDS" "${FAILED_STEPS[*]}"
    exit 1
}

# Ends the run at once, with the result line, when going on would be pointless.
give_up() {
    printf '\n%s\nRESULT: FAILED, %d s: preparation\n' "$*" "$SECONDS"
    exit 1
}

# Names those of the given Debian packages that are not installed.
missing_packages() {
    local package
    for package; do
        [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || echo "$package"
    done
}

# Makes the given Debian packages present: does nothing if they are, installs as root, else fails
# saying what to install.
ensure_packages() {
    local missing
    mapfile -t missing < <(missing_packages "$@")
    ((${#missing[@]})) || return 0
    if [[ $EUID -ne 0 ]]; then
        echo "missing Debian packages, and only root may install them: apt-get install ${missing[*]}" >&2
        return 1
    fi
    apt-get -q update &&
        without_services env DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends \
            -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "${missing[@]}"
}

# Runs a command that installs packages, so that it starts none of the servers among them (Debian policy 9.3.3).
without_services() {
    local policy=/usr/sbin/policy-rc.d status=0
    if [[ -e $policy ]]; then
        "$@"
        return
    fi
    printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod 755 "$policy" || return
    "$@" || status=$?
    rm -f "$policy"
    return "$status"
}
