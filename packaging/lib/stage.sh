# shellcheck shell=bash
# The tree of files that every format wraps. Sourced by packaging/build.

# Where the files go on a host. A format that puts them elsewhere says so before it calls `stage`. INNER is where they
# lie in the tree, if not there too.
PREFIX=/usr
MAN=share/man/man8
BASH_COMPLETION=share/bash-completion/completions
ZSH_COMPLETION=share/zsh/site-functions
FISH_COMPLETION=share/fish/vendor_completions.d
UNITS=lib/systemd/system
DOC=share/doc/tune

# stage ROOT PROGRAM SPEAKER: lays everything below ROOT. SPEAKER is a tune that runs here; it makes the manual pages.
stage() {
    local root=$1${INNER-$PREFIX} program=$2 speaker=$3
    install -D -m 755 "$program" "$root/sbin/tune"
    stage_manual "$root" "$speaker"
    stage_completions "$root" "$speaker"
    stage_data "$root"
    stage_documents "$root"
}

# One page for tune, and one for each command that a page names.
stage_manual() {
    install -d "$1/$MAN"
    stage_page "$1/$MAN" "$2" tune
    gzip -n9 "$1/$MAN"/*.8
}

# stage_page PLACE SPEAKER NAME: the page of that name, as tune-profile-list, and those that it names.
stage_page() {
    local words page=$1/$3.8 name
    IFS=- read -r -a words <<<"$3"
    "$2" man "${words[@]:1}" >"$page"
    while read -r name; do
        stage_page "$1" "$2" "$name"
    done < <(sed -n 's/\\-/-/g; s/^\(tune-[a-z-]*\)(8)$/\1/p' "$page")
}

stage_completions() {
    install -d "$1/$BASH_COMPLETION" "$1/$ZSH_COMPLETION" "$1/$FISH_COMPLETION"
    "$2" completions bash >"$1/$BASH_COMPLETION/tune"
    "$2" completions zsh >"$1/$ZSH_COMPLETION/_tune"
    "$2" completions fish >"$1/$FISH_COMPLETION/tune.fish"
}

# What programs may want: the profiles to start from, and the schemas to check with.
stage_data() {
    install -d "$1/share/tune/profiles" "$1/share/tune/schemas"
    install -m 644 profiles/*.toml "$1/share/tune/profiles"
    install -m 644 docs/schemas/* "$1/share/tune/schemas"
}

# The documents, as they lie in the source, so that links between them lead somewhere.
stage_documents() {
    local file
    install -d "$1/$DOC/docs"
    install -m 644 README.md "$1/$DOC"
    (cd docs && find . -path ./schemas -prune -o -type f -print0) |
        while IFS= read -r -d '' file; do
            install -D -m 644 "docs/$file" "$1/$DOC/docs/$file"
        done
    ln -s "$(realpath -m --relative-to="/$DOC/docs" /share/tune/schemas)" "$1/$DOC/docs/schemas"
    need python3 python3
    packaging/notices >"$1/$DOC/third-party"
    gzip -n9 "$1/$DOC/third-party"
}

# stage_units ROOT: the systemd units, which call the program where it is, the rule of udev that one of them needs, and the
# presets, by which none is enabled.
stage_units() {
    local unit place=$1${INNER-$PREFIX}/$UNITS
    install -D -m 644 -t "$1${INNER-$PREFIX}/lib/udev/rules.d" packaging/systemd/*.rules
    install -D -m 644 -t "$1${INNER-$PREFIX}/lib/systemd/system-preset" packaging/systemd/*.preset
    for unit in packaging/systemd/*.{service,timer}; do
        install -d "$place"
        sed "s,/usr/sbin/tune,$PREFIX/sbin/tune,g" "$unit" >"$place/${unit##*/}"
        chmod 644 "$place/${unit##*/}"
    done
}

# stage_openrc ROOT: scripts for hosts without systemd, which have to be put in place by hand.
stage_openrc() {
    local script place=$1${INNER-$PREFIX}/$DOC/examples/openrc
    install -d "$place"
    for script in packaging/openrc/*; do
        sed "s,/usr/sbin/tune,$PREFIX/sbin/tune,g" "$script" >"$place/${script##*/}"
        chmod 644 "$place/${script##*/}"
    done
}

# Names the units, in one line.
units() {
    local unit names=()
    for unit in packaging/systemd/*.{service,timer}; do
        names+=("${unit##*/}")
    done
    echo "${names[*]}"
}

# hook FILE: a script that a package manager runs, with the names of the units and the parts that several share.
hook() {
    fill UNITS="$(units)" HELD="$(cat packaging/hooks/held.sh)" FORGET="$(cat packaging/hooks/forget.sh)" <"$1" |
        grep -v '^ *# shellcheck '
}

# Where a site's own profiles go; empty.
stage_site() {
    install -d -m 755 "$1/etc/tune/profiles"
}

# Gives every file below a directory the time of the commit.
same_times() {
    find "$1" -exec touch --no-dereference --date "@$SOURCE_DATE_EPOCH" {} +
}
