# shellcheck shell=bash
# The archive for any Linux: where its files lie, and its program alone in a directory, with no library and no file of a
# C library, as the root of a process.
set -euo pipefail
# shellcheck source=tests/packages/lib.sh
source /test/lib.sh

heading 'unpacks below /usr/local, and changes no setting'
before=$(settings)
tar -C /usr/local --strip-components=1 --no-same-owner -xzf "$ARCHIVE"
is "$before" "$(settings)" 'settings and boot files'
ends 0 tune --version
is /usr/local/sbin/tune "$(command -v tune)" 'the program that is found'
man -w tune tune-profile-list >/dev/null || wrong 'man does not find tune'
units | while read -r unit; do
    there "/usr/local/lib/systemd/system/$unit"
    ! grep -q '/usr/sbin/tune' "/usr/local/lib/systemd/system/$unit" || wrong "$unit calls another program"
    state=$(systemctl is-enabled "$unit" || :)
    [[ $state == disabled || $state == static ]] || wrong "$unit is $state"
done

heading 'runs where there is nothing else'
mkdir -p /alone/proc /alone/etc/sysctl.d /alone/etc/init.d /alone/var/lib
cp /usr/local/sbin/tune /alone
mount --rbind /proc /alone/proc
touch /alone/etc/init.d/procps
alone() {
    chroot /alone /tune "$@"
}
ends 0 alone --version
ends 0 alone profile list
ends 2 alone audit web-server
ends 0 alone apply web-server --yes
is 30 "$(cat "$TIMEOUT")" 'the FIN_WAIT_2 timeout'
ends 0 alone history
has "$OUTPUT" 'apply web-server'

heading 'names users without NSS'
printf 'root:x:0:0:root:/root:/bin/sh\n' >/alone/etc/passwd
printf 'passwd: sss systemd files\n' >/alone/etc/nsswitch.conf
ends 0 alone rollback --yes
ends 0 alone history
[[ $OUTPUT =~ root\ +rollback ]] || wrong "history does not name root: $OUTPUT"
is 60 "$(cat "$TIMEOUT")" 'the FIN_WAIT_2 timeout'
