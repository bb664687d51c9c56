# shellcheck shell=bash
# Removing keeps what is held and says so; nothing is lost that a new installation could not undo.
set -euo pipefail
# shellcheck source=tests/packages/lib.sh
source /test/lib.sh

ends 0 apt-get install -y "$DEB"
heading 'says nothing where nothing is held'
ends 0 apt-get remove -y tune
[[ $OUTPUT != *'tune: '* ]] || wrong "it says: $OUTPUT"
gone /usr/sbin/tune /etc/tune /usr/share/tune /usr/share/doc/tune

heading 'keeps what is held, and says so'
ends 0 apt-get install -y "$DEB"
ends 0 tune apply web-server --yes
cp /usr/share/tune/profiles/web-server.toml /etc/tune/profiles/site.toml
before=$(remembered) values=$(settings)
ends 0 apt-get remove -y tune
has "$OUTPUT" "tune: these values stay, now and at each boot, in $BOOT_FILE:"
has "$OUTPUT" 'tune:   net.ipv4.tcp_fin_timeout = 30'
has "$OUTPUT" 'install tune again and run: tune off'
has "$OUTPUT" "tune: $STATE, which has the history and what undoes it, is kept"
is "$before" "$(remembered)" 'what tune remembers'
is "$values" "$(settings)" 'settings and boot files'
gone /usr/sbin/tune /usr/share/man/man8/tune.8.gz /usr/share/tune
there /etc/tune/profiles/site.toml

heading 'a new installation finds it, and gives it up'
ends 0 apt-get install -y "$DEB"
ends 0 tune history --verify
ends 0 tune off --yes
is 60 "$(cat "$TIMEOUT")" 'the FIN_WAIT_2 timeout'
gone "$BOOT_FILE"

heading 'is not removed while a change is tried out'
ends 0 tune apply web-server --yes --confirm-within 1h
ends 100 apt-get remove -y tune
has "$OUTPUT" 'awaits confirmation; the package is not removed'
is 'install ok installed' "$(dpkg-query -W -f '${Status}' tune)" 'the state of the package'
ends 0 tune rollback --yes
ends 0 apt-get remove -y tune
