# shellcheck shell=sh
# What tune leaves in effect when its package goes. Part of the scripts of every package.
BOOT_FILE=/etc/sysctl.d/zz-tune.conf
STATE=/var/lib/tune
MARK='# tune: taken over: '

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

# Takes the file for the next boot away, and says what it said.
give_up_boot_file() {
    [ -e "$BOOT_FILE" ] || return 0
    if ! is_own "$BOOT_FILE"; then
        say "$BOOT_FILE was not written by tune, and is left alone"
        return 0
    fi
    say "$BOOT_FILE is removed; the next boot no longer sets:"
    show_values "$BOOT_FILE"
    rm -f "$BOOT_FILE"
    say "the running kernel keeps these values until then"
}

# Lines of other files that tune had commented out stay so: those files are not the package's.
say_what_was_taken_over() {
    grep -Rn "^$MARK" /etc/sysctl.conf /etc/sysctl.d /etc/ufw 2>/dev/null | while IFS=: read -r file line rest; do
        say "$file:$line is still commented out by tune:$rest"
        say "to take it back: sed -i '${line}s/^$MARK//' $file"
    done
}

forget_state() {
    [ -e "$STATE" ] || return 0
    rm -rf "$STATE"
    say "$STATE is removed: what was changed before can no longer be rolled back"
}
