# shellcheck shell=bash
# Purging takes away what tune has written, and says what that was; what others have written stays.
set -euo pipefail
# shellcheck source=tests/packages/lib.sh
source /test/lib.sh

heading 'after a removal'
ends 0 apt-get install -y "$DEB"
ends 0 tune apply web-server --yes
ends 0 apt-get remove -y tune
ends 0 apt-get purge -y tune
has "$OUTPUT" "tune: $BOOT_FILE is removed; the next boot no longer sets:"
has "$OUTPUT" 'tune:   net.ipv4.tcp_fin_timeout = 30'
has "$OUTPUT" 'tune: the running kernel keeps these values until then'
has "$OUTPUT" "tune: $STATE is removed"
gone "$STATE" "$BOOT_FILE" /etc/tune
is 30 "$(cat "$TIMEOUT")" 'the FIN_WAIT_2 timeout of the running kernel'
is '' "$(dpkg-query -W -f '${Status}' tune 2>/dev/null || :)" 'the state of the package'
is '' "$(traces /etc /var /usr /run)" 'what is left'
echo 60 >"$TIMEOUT"

heading 'at once, with a line taken over and a file of the site'
ends 0 apt-get install -y "$DEB"
echo 'net.ipv4.tcp_fin_timeout = 120' >/etc/sysctl.d/zzz.conf
ends 0 tune apply web-server --yes --take-over
cp /usr/share/tune/profiles/web-server.toml /etc/tune/profiles/site.toml
ends 0 apt-get purge -y tune
has "$OUTPUT" '/etc/sysctl.d/zzz.conf:1 is still commented out by tune: net.ipv4.tcp_fin_timeout = 120'
back=$(sed -n 's/^tune: to take it back: //p' <<<"$OUTPUT")
gone "$STATE" "$BOOT_FILE" /usr/sbin/tune
there /etc/tune/profiles/site.toml
is 'sed -i 1s/^# tune: taken over: // /etc/sysctl.d/zzz.conf' "${back//\'/}" 'what takes it back'
bash -c "$back"
is 'net.ipv4.tcp_fin_timeout = 120' "$(cat /etc/sysctl.d/zzz.conf)" 'the line that was taken over'
rm -r /etc/sysctl.d/zzz.conf /etc/tune
echo 60 >"$TIMEOUT"

heading 'leaves a file of that name alone that somebody else wrote'
ends 0 apt-get install -y "$DEB"
echo 'net.ipv4.tcp_fin_timeout = 45' >"$BOOT_FILE"
ends 0 apt-get purge -y tune
has "$OUTPUT" "$BOOT_FILE was not written by tune, and is left alone"
is 'net.ipv4.tcp_fin_timeout = 45' "$(cat "$BOOT_FILE")" 'the file of somebody else'

heading 'units leave no trace'
rm "$BOOT_FILE"
ends 0 apt-get install -y "$DEB"
for unit in $(units | grep '\.timer$' || :); do
    ends 0 systemctl enable "$unit"
done
ends 0 apt-get purge -y tune
is '' "$(traces /etc /var)" 'links and records of units'
