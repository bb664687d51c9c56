# shellcheck shell=bash
# An archive for any Linux, with a program that needs no library. Sourced by packaging/build.
#
# It is linked against glibc, by the toolchain that builds everything else. The one thing that such a program cannot
# have is NSS; tune-transaction/src/clock.rs knows that.

build_static() {
    static_program
    # shellcheck disable=SC2034 # for stage
    local name root archive PREFIX=/usr/local INNER=''
    name=tune-$VERSION-linux-$(machine "$STATIC" 5)
    root=$WORK/$name archive=$OUT/$name.tar.gz
    stage "$root" "$STATIC" "$STATIC"
    stage_units "$root"
    stage_openrc "$root"
    install -m 644 CHANGELOG.md LICENSE-MIT LICENSE-APACHE "$root/$DOC"
    tar -C "$WORK" --sort=name --owner=0 --group=0 --numeric-owner --mtime "@$SOURCE_DATE_EPOCH" -cf - "$name" |
        gzip -n9 >"$archive"
    made "$archive"
}

# The program that was named with --binary, if it needs no library, or one built for it.
static_program() {
    local target
    if [[ $BINARY ]]; then
        STATIC=$BINARY
    else
        target=$(rustc --version --verbose | sed -n 's/^host: //p')
        # --target, because build scripts and macros of the compiler cannot be static.
        RUSTFLAGS='-C target-feature=+crt-static' \
            cargo build --release --locked --package tune --target "$target" >&2 || fail 'the program could not be built'
        STATIC=${CARGO_TARGET_DIR:-target}/$target/release/tune
    fi
    check_program "$STATIC"
    if readelf --wide --program-headers --dynamic "$STATIC" | grep -q -e INTERP -e NEEDED; then
        fail "$STATIC needs libraries of the host"
    fi
}
