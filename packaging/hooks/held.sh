# shellcheck shell=sh
# What tune leaves in effect when its package goes. Part of the scripts of every package.
BOOT_FILE=/etc/sysctl.d/zz-tune.conf
STATE=/var/lib/tune

say() {
    echo "tune: $*" >&2
}

# Tells whether the file is one that tune wrote.
is_own() {
    [ -f "$1" ] && head -n 1 "$1" | grep -q '^# Written by tune '
}

# Shows what the next boot gets from a file.
show_values() {
    grep -v -e '^#' -e '^[[:space:]]*$' "$1" | sed 's/^/tune:   /' >&2 || :
}

# Said while the program can still be asked for again: nothing is given up, and how to do so.
say_what_stays() {
    [ -d "$STATE" ] || return 0
    if is_own "$BOOT_FILE"; then
        say "these values stay, now and at each boot, in $BOOT_FILE:"
        show_values "$BOOT_FILE"
        say "to give them up, install tune again and run: tune off"
    fi
    say "$STATE, which has the history and what undoes it, is kept"
}

# A change that waits for tune confirm is undone by a process of its own, which needs the state.
refuse_while_tried_out() {
    tune status --format json 2>/dev/null | grep -q '"awaiting-confirmation"' || return 0
    say "a change is being tried out and awaits confirmation; the package is not removed"
    say "first run: tune confirm, or: tune rollback"
    return 1
}
