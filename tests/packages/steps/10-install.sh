# shellcheck shell=bash
# Every file of the package: there, whole, with the right mode and owner, and useful. Nothing is changed or switched on.
set -euo pipefail
# shellcheck source=tests/packages/lib.sh
source /test/lib.sh

heading 'installs, and changes no setting'
before=$(settings)
ends 0 apt-get install -y "$DEB"
is "$before" "$(settings)" 'settings and boot files'
gone "$STATE" "$BOOT_FILE"
ends 0 tune active
has "$OUTPUT" 'holds nothing on this host'
ends 0 tune status
gone "$STATE"

heading 'its files are whole'
is '' "$(dpkg --verify tune)" 'dpkg --verify'
is '' "$(dpkg-query -W -f '${Conffiles}' tune)" 'conffiles'
sums=$(wc -l </var/lib/dpkg/info/tune.md5sums) files=0

heading 'modes and owners'
while read -r path; do
    [[ $path == /. ]] && continue
    there "$path"
    is 0:0 "$(stat -c %u:%g "$path")" "owner of $path"
    mode=$(stat -c %a "$path")
    if [[ -L $path ]]; then
        [[ -e $path ]] || wrong "$path leads nowhere"
        continue
    elif [[ -d $path || $path == /usr/sbin/tune ]]; then
        is 755 "$mode" "mode of $path"
    else
        is 644 "$mode" "mode of $path"
    fi
    [[ -d $path ]] || files=$((files + 1))
done < <(dpkg -L tune)
is "$sums" "$files" 'files that a digest is kept of'
[[ $files -gt 70 ]] || wrong "only $files files"

heading 'docs/install.md lists every file'
# shellcheck disable=SC2016 # the quotes of Markdown
mapfile -t listed < <(sed -n '/^## What a package/,$ { /^|/p }' /test/install.md | cut -d '|' -f 2 |
    sed 's/rpm: `[^`]*`//' | grep -o '`/[^`]*`' | tr -d '`')
[[ ${#listed[@]} -gt 10 ]] || wrong "only ${#listed[@]} places are listed"
declare -A met=()
while read -r path; do
    [[ ! -d $path ]] || continue
    found=''
    for pattern in "${listed[@]}"; do
        # shellcheck disable=SC2053 # a pattern it is
        [[ $path != $pattern ]] || found=$pattern
    done
    [[ $found ]] || wrong "$path is not in the table"
    met[$found]=1
done < <(dpkg -L tune)
for pattern in "${listed[@]}"; do
    [[ ${met[$pattern]-} || -d $pattern ]] || wrong "$pattern is in the table, and not in the package"
done

heading 'units are there and off'
units | while read -r unit; do
    there "/usr/lib/systemd/system/$unit"
    ends 0 systemd-analyze verify --man=no "/usr/lib/systemd/system/$unit"
    state=$(systemctl is-enabled "$unit" || :)
    [[ $state == disabled || $state == static ]] || wrong "$unit is $state"
done
is '' "$(traces /etc/systemd)" 'links to units'

heading 'manual pages are found, also those that they name'
man -w tune >/dev/null || wrong 'man does not find tune'
pages=$(man tune | sed -n 's/^ *tune-\([a-z-]*\)(8).*/tune-\1/p')
[[ $(wc -l <<<"$pages") -ge 15 ]] || wrong "tune(8) names only: $pages"
for page in $pages; do
    man -w "$page" >/dev/null || wrong "man does not find $page, which tune(8) names"
    [[ $(man "$page") == *SYNOPSIS* ]] || wrong "$page is no manual page"
done
has "$(man 8 tune)" 'EXIT STATUS'
has "$(whatis tune)" 'FIN_WAIT_2'

heading 'bash completes its commands'
complete=$(bash -c '
    source /usr/share/bash-completion/bash_completion
    _completion_loader tune
    COMP_WORDS=(tune appl) COMP_CWORD=1
    _tune tune appl tune
    echo "${COMPREPLY[@]}"')
is apply "$complete" 'completion of appl'
there /usr/share/zsh/vendor-completions/_tune /usr/share/fish/vendor_completions.d/tune.fish

heading 'profiles and schemas are those of the program'
for profile in /usr/share/tune/profiles/*.toml; do
    ends 0 tune profile check "$profile"
done
tune profile schema | cmp - /usr/share/tune/schemas/profile.schema.json || wrong 'the schema of profiles is another one'

heading 'a second installation changes nothing'
ends 0 apt-get install -y --reinstall "$DEB"
is "$before" "$(settings)" 'settings and boot files'
gone "$STATE"
