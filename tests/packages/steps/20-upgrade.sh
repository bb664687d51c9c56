# shellcheck shell=bash
# An upgrade keeps what is held, what a site has written, and what an administrator has switched on.
set -euo pipefail
# shellcheck source=tests/packages/lib.sh
source /test/lib.sh

heading 'a lower version, with a profile applied and one of the site'
ends 0 apt-get install -y "$OLDER"
there /usr/share/doc/tune/gone
ends 0 tune apply web-server --yes
printf 'name = "site"\nsummary = "ours"\n[settings]\n"tcp.keepalive_probes" = 7\n' >/etc/tune/profiles/site.toml
ends 0 tune profile check site
enabled=$(units | grep '\.timer$' | paste -sd ' ')
for unit in $enabled; do
    ends 0 systemctl enable "$unit"
done
before=$(remembered) values=$(settings)

heading 'upgrades, and says nothing of removal'
ends 0 apt-get install -y "$DEB"
[[ $OUTPUT != *'tune: '* ]] || wrong "an upgrade says: $OUTPUT"
is "$before" "$(remembered)" 'what tune remembers'
is "$values" "$(settings)" 'settings and boot files'
gone /usr/share/doc/tune/gone
there /etc/tune/profiles/site.toml
units | while read -r unit; do
    state=$(systemctl is-enabled "$unit" || :)
    if [[ " $enabled " == *" $unit "* ]]; then
        is enabled "$state" "$unit"
    else
        [[ $state == disabled || $state == static ]] || wrong "$unit is $state"
    fi
done
ends 0 tune apply web-server --yes
has "$OUTPUT" 'Nothing changed'

heading 'goes back to the lower version, and undoes there'
ends 0 apt-get install -y --allow-downgrades "$OLDER"
is "$before" "$(remembered)" 'what tune remembers'
ends 0 tune rollback --yes
is 60 "$(cat "$TIMEOUT")" 'the FIN_WAIT_2 timeout'
