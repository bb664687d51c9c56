# shellcheck shell=bash
# The rpm package, as far as the rpm of Debian goes: it does not know what else is installed (--nodeps), and no SELinux.
set -euo pipefail
# shellcheck source=tests/packages/lib.sh
source /test/lib.sh

rpm_() {
    command rpm --force-debian "$@"
}

heading 'asks for nothing but the C library and a shell'
others=$(rpm -qp --requires "$RPM" | grep -v -e '^lib\(c\|gcc_s\|m\)\.so' -e '^rpmlib(' -e '^rtld(' -e '^/bin/sh$' || :)
is '' "$others" 'other requirements'

heading 'installs whole, and changes no setting'
before=$(settings)
ends 0 rpm_ --nodeps -i "$OLDER_RPM"
is "$before" "$(settings)" 'settings and boot files'
ends 0 rpm_ --nodeps -V tune
gone "$STATE"
is '' "$(traces /etc/systemd)" 'links to units'
units | while read -r unit; do
    there "/usr/lib/systemd/system/$unit"
done
while read -r mode owner group path; do
    is 'root root' "$owner $group" "owner of $path"
    case $mode in
        -rwxr-xr-x) is /usr/sbin/tune "$path" 'what can be executed' ;;
        -rw-r--r-- | drwxr-xr-x | lrwxrwxrwx) ;;
        *) wrong "$path has the mode $mode" ;;
    esac
    there "$path"
done < <(rpm -qlv tune | awk '{ print $1, $3, $4, $9 }')
is 2 "$(rpm -q --licensefiles tune | grep -c '/LICENSE-')" 'licences'
man -w tune >/dev/null || wrong 'man does not find tune'

heading 'an upgrade keeps what is held, and says nothing of removal'
ends 0 tune apply web-server --yes
kept=$(remembered) values=$(settings)
ends 0 rpm_ --nodeps -U "$RPM"
[[ $OUTPUT != *'tune: '* ]] || wrong "an upgrade says: $OUTPUT"
is "$(rpm -qp "$RPM")" "$(rpm -q tune)" 'what is installed'
is "$kept" "$(remembered)" 'what tune remembers'

heading 'is not erased while a change is tried out'
ends 0 tune rollback --yes
ends 0 tune apply web-server --yes --confirm-within 1h
ends 1 rpm_ --nodeps -e tune
has "$OUTPUT" 'awaits confirmation; the package is not removed'
there /usr/sbin/tune
ends 0 tune confirm
is "$values" "$(settings)" 'settings and boot files'
kept=$(remembered)

heading 'erasing keeps what is held, and says so'
ends 0 rpm_ --nodeps -e tune
has "$OUTPUT" "tune: these values stay, now and at each boot, in $BOOT_FILE:"
has "$OUTPUT" 'to forget it all, remove both by hand'
is "$kept" "$(remembered)" 'what tune remembers'
gone /usr/sbin/tune /usr/share/tune /usr/share/doc/tune /usr/share/licenses/tune
