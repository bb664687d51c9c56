# shellcheck shell=bash
# What the user guide says under "Install" and "First steps", in order, as somebody types it who has only that. A comment
# of the guide that names an exit code is held against what happens.
set -euo pipefail
# shellcheck source=tests/packages/lib.sh
source /test/lib.sh

# commands HEADING: the first block of commands under a heading of the guide.
commands() {
    awk -v heading="$1" '
        $0 == heading { under = 1; next }
        under && /^## / { exit }
        under && /^```sh$/ { inside = 1; next }
        inside && /^```$/ { exit }
        inside' /test/guide.md
}

# type_in LINE: what stands before the comment.
type_in() {
    local code=0
    [[ $1 =~ 'exit code '([0-9]+) ]] && code=${BASH_REMATCH[1]}
    heading "${1%%#*}"
    ends "$code" bash -c "${1%%#*}"
    typed=$((typed + 1))
}

cd /test/packages
typed=0 reached=0
while IFS= read -r line; do
    type_in "$line"
    case $line in
        'tune apply '*)
            is 30 "$(cat "$TIMEOUT")" 'the FIN_WAIT_2 timeout after the guide applied a profile'
            there "$BOOT_FILE"
            reached=$((reached + 1))
            ;;
        'tune rollback'*)
            is 60 "$(cat "$TIMEOUT")" 'the FIN_WAIT_2 timeout after the guide took it back'
            gone "$BOOT_FILE"
            reached=$((reached + 1))
            ;;
    esac
done < <(commands '## Install' && commands '## First steps')
is 2 "$reached" 'how often the guide changed something'
[[ $typed -ge 8 ]] || wrong "the guide has only $typed commands to begin with"
