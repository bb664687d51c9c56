# shellcheck shell=bash
# What the scripts of steps say things with. Sourced inside of the clean root.
# shellcheck disable=SC2034 # used by those who source this

DEB=$(echo /test/packages/tune_*.deb)
OLDER=/test/packages/older.deb
RPM=$(echo /test/packages/tune-*.rpm)
OLDER_RPM=/test/packages/older.rpm
ARCHIVE=$(echo /test/packages/tune-*.tar.gz)
BOOT_FILE=/etc/sysctl.d/zz-tune.conf
STATE=/var/lib/tune
TIMEOUT=/proc/sys/net/ipv4/tcp_fin_timeout

# Says what is wrong, and ends the steps.
wrong() {
    echo "WRONG: $*" >&2
    exit 1
}

# heading TEXT: what is tried next.
heading() {
    echo "   $*"
}

# is WANTED FOUND WHAT
is() {
    [[ $1 == "$2" ]] || wrong "$3: wanted $1, found $2"
}

# has TEXT PART: the text has the part in it.
has() {
    [[ $1 == *"$2"* ]] || wrong "this does not say '$2':
$1"
}

there() {
    local path
    for path; do
        [[ -e $path || -L $path ]] || wrong "$path is missing"
    done
}

gone() {
    local path
    for path; do
        [[ ! -e $path && ! -L $path ]] || wrong "$path is still there"
    done
}

# ends CODE COMMAND...: runs it, keeps what it prints on both streams in OUTPUT, and looks at its exit code.
ends() {
    local wanted=$1 code=0
    shift
    OUTPUT=$("$@" 2>&1) || code=$?
    OUTPUT=${OUTPUT//$'\r'/}
    [[ $code == "$wanted" ]] || wrong "$* ended with $code, wanted $wanted:
$OUTPUT"
}

# All values that belong to this network namespace, and all boot files.
settings() {
    grep . /proc/sys/net/ipv4/tcp_* /proc/sys/net/core/somaxconn 2>/dev/null || : # some can only be written
    find /etc/sysctl* /usr/lib/sysctl* /run/sysctl* -type f -exec md5sum {} + 2>/dev/null || :
}

# What tune remembers, byte for byte; the lock says only who was last.
remembered() {
    (cd "$STATE" && find . -type f ! -name lock -exec md5sum {} + | sort)
    md5sum "$BOOT_FILE"
}

# Names what there is of tune below directories; tune2fs is another program.
traces() {
    find "$@" \( -name 'tune' -o -name 'tune[-.]*' -o -name '_tune' -o -name 'zz-tune*' \)
}

units() {
    cat /test/units
}
