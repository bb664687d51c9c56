#!/bin/sh
# The fact "tune": what tune facts tells of this host. Without tune there is no such fact.
PATH=$PATH:/usr/local/sbin:/usr/sbin:/usr/local/bin:/opt/local/sbin
command -v tune >/dev/null 2>&1 || exit 0
facts=$(tune facts 2>/dev/null) && [ -n "$facts" ] && printf '{"tune": %s}\n' "$facts"
exit 0
