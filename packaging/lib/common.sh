# shellcheck shell=bash
# What every format needs to know. Sourced by packaging/build.
# shellcheck disable=SC2034 # used by those who are sourced later

# The one place that says the version.
VERSION=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"$/\1/p' Cargo.toml)
SUMMARY=$(sed -n '/^\[workspace.package\]/,/^\[/s/^description = "\(.*\)"$/\1/p' Cargo.toml)
LICENCE=$(sed -n '/^\[workspace.package\]/,/^\[/s/^license = "\(.*\)"$/\1/p' Cargo.toml)
[[ $VERSION && $SUMMARY && $LICENCE ]] || fail 'Cargo.toml has no version, description or license in [workspace.package]'

# Counts packages of the same version.
REVISION=${TUNE_REVISION:-1}

# All times in a package: that of the commit, so that two builds make the same bytes.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || stat -c %Y CHANGELOG.md)}
export SOURCE_DATE_EPOCH

# Who answers for a package is who builds it; as Debian's own tools ask.
MAINTAINER="${DEBFULLNAME:-tune packages} <${DEBEMAIL:-tune@packages.invalid}>"

DESCRIPTION='tune states as profiles how long a server keeps connections whose peers never
close (FIN_WAIT_2), when keepalive looks for dead peers, and how much memory
and how many queue places the network may take. It shows a plan before it
changes anything, changes the running kernel and what the next boot sets
together, audits hosts, and can take every change back.
It is one program without a daemon. Installing it changes no setting.'

# Makes sure of a tool, or names the Debian package that has it.
need() {
    command -v "$1" >/dev/null || fail "$1 is not installed: apt-get install $2"
}

# What a machine is called in an executable, by Debian, by rpm, by FreeBSD and by Rust.
MACHINES='
X86-64   amd64 x86_64  amd64   x86_64
AArch64  arm64 aarch64 aarch64 aarch64
'

# machine FILE COLUMN: the name of the machine that an executable is for. 2: Debian, 3: rpm, 4: FreeBSD, 5: Rust.
machine() {
    need readelf binutils
    local name found
    name=$(readelf --wide --file-header "$1" | sed -n 's/^ *Machine: *//p') || fail "$1 is not an executable"
    found=$(awk -v name="${name##* }" -v column="$2" '$1 == name { print $column }' <<<"$MACHINES")
    [[ $found ]] || fail "$1 is for $name; packaging/lib/common.sh does not know what packages call that"
    echo "$found"
}

# Puts a text in place of @NAME@ on standard input: fill NAME=TEXT...
fill() {
    local text pair
    text=$(cat)
    for pair; do
        text=${text//"@${pair%%=*}@"/"${pair#*=}"}
    done
    [[ $text =~ @[A-Z]+@ ]] && fail "nothing was given for ${BASH_REMATCH[0]}"
    printf '%s\n' "$text"
}

# Says what was made.
made() {
    printf '%s  %d bytes\n' "$1" "$(stat -c %s "$1")"
}
