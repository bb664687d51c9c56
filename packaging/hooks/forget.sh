# shellcheck shell=sh
# What goes for good when a package is purged, and is said. Needs held.sh before it.
# shellcheck disable=SC2153 # BOOT_FILE and STATE

MARK='# tune: taken over: '

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
        say "$file:$line is still commented out by tune: ${rest#"$MARK"}"
        say "to take it back: sed -i '${line}s/^$MARK//' $file"
    done
}

forget_state() {
    [ -e "$STATE" ] || return 0
    rm -rf "$STATE"
    say "$STATE is removed: what was changed before can no longer be rolled back"
}
