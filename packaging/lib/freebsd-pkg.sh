# shellcheck shell=bash
# A package for FreeBSD, put together here of the program that .ci/cross-check --link makes. Sourced by packaging/build.
# pkg has not seen it yet: where there is FreeBSD, make the port instead.

# The FreeBSD that the linker is told to link for; pkg takes a package on that release only.
FREEBSD=14

build_freebsd-pkg() {
    need zstd zstd
    program
    local root=$WORK/freebsd package=$OUT/tune-$VERSION.pkg
    [[ $FREEBSD_PROGRAM ]] || .ci/cross-check --link >&2 || fail 'the program could not be linked for FreeBSD'
    freebsd_tree "$root" "${FREEBSD_PROGRAM:-target-cross/x86_64-unknown-freebsd/release/tune}"
    packaging/freebsd/make-pkg "$root" "$package" "$VERSION" "$FREEBSD" "$(machine "$root/usr/local/sbin/tune" 4)" \
        "$MAINTAINER" "$DESCRIPTION"
    made "$package"
}

# The program of this machine speaks for the other one: their manual pages are the same.
freebsd_tree() {
    # shellcheck disable=SC2034 # for stage
    local PREFIX=/usr/local
    readelf --notes "$2" | grep -q FreeBSD || fail "$2 is not for FreeBSD"
    stage "$1" "$2" "$PROGRAM"
    install -m 644 CHANGELOG.md LICENSE-MIT LICENSE-APACHE "$1/usr/local/$DOC"
    install -d "$1/usr/local/etc/rc.d" "$1/usr/local/etc/tune/profiles"
    sed 's,%%PREFIX%%,/usr/local,' packaging/freebsd/tune.in >"$1/usr/local/etc/rc.d/tune"
    chmod 755 "$1/usr/local/etc/rc.d/tune"
}
