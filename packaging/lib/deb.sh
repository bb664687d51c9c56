# shellcheck shell=bash
# A package for Debian and its kin, made by dpkg-deb. Sourced by packaging/build.

build_deb() {
    need dpkg-deb dpkg
    need dpkg-shlibdeps dpkg-dev
    program
    # shellcheck disable=SC2153 # common.sh
    local root=$WORK/deb version=$VERSION-$REVISION architecture package
    architecture=$(machine "$PROGRAM" 2)
    package=$OUT/tune_${version}_$architecture.deb
    deb_tree "$root" "$version"
    deb_control "$root" "$version" "$architecture"
    same_times "$root"
    dpkg-deb --root-owner-group -Zxz --build "$root" "$package" >/dev/null
    made "$package"
}

deb_tree() {
    # shellcheck disable=SC2034 # for stage
    local root=$1 ZSH_COMPLETION=share/zsh/vendor-completions
    stage "$root" "$PROGRAM" "$PROGRAM"
    stage_units "$root"
    stage_openrc "$root"
    stage_site "$root"
    deb_legal "$root/usr/$DOC" "$2"
    install -D -m 644 packaging/deb/lintian-overrides "$root/usr/share/lintian/overrides/tune"
}

# The licences and the changes, in Debian's form, and the changes as the project tells them.
deb_legal() {
    local doc=$1 day
    day=$(date --utc --rfc-email --date "@$SOURCE_DATE_EPOCH")
    fill COPYRIGHT="$(sed -n 's/^Copyright (c) /Copyright: /p' LICENSE-MIT)" \
        MIT="$(sed -n '/^Permission/,$p' LICENSE-MIT | indented)" <packaging/deb/copyright >"$doc/copyright"
    gzip -n9 <CHANGELOG.md >"$doc/changelog.gz"
    fill VERSION="$2" MAINTAINER="$MAINTAINER" DAY="$day" <packaging/deb/changelog | gzip -n9 >"$doc/changelog.Debian.gz"
}

# A text as control files have it: each line begins with a space, and an empty one is a dot.
indented() {
    sed -e 's/^$/./' -e 's/^/ /'
}

deb_control() {
    local root=$1 script scripts=(postinst prerm postrm)
    install -d "$root/DEBIAN"
    (cd "$root" && find usr -type f -print0 | LC_ALL=C sort -z | xargs -0 md5sum) >"$root/DEBIAN/md5sums"
    fill VERSION="$2" ARCHITECTURE="$3" MAINTAINER="$MAINTAINER" SIZE="$(deb_size "$root")" \
        DEPENDS="$(deb_depends)" DESCRIPTION="$(indented <<<"$DESCRIPTION")" <packaging/deb/control |
        sed '/^$/d' >"$root/DEBIAN/control"
    for script in "${scripts[@]}"; do
        hook "packaging/deb/$script" >"$root/DEBIAN/$script"
    done
    chmod 755 "${scripts[@]/#/$root/DEBIAN/}"
    chmod 644 "$root"/DEBIAN/{control,md5sums}
}

# The size on disk in KiB, as dpkg-gencontrol counts it: each file rounded up, 1 for anything else.
deb_size() {
    find "$1" -path "$1/DEBIAN" -prune -o -printf '%y %s\n' |
        awk '{ total += $1 == "f" ? int(($2 + 1023) / 1024) : 1 } END { print total }'
}

# The libraries that the program asks for; no line where it asks for none.
deb_depends() {
    local away=$WORK/shlibdeps
    mkdir -p "$away/debian"
    printf 'Source: tune\n\nPackage: tune\nArchitecture: any\n' >"$away/debian/control"
    (cd "$away" && dpkg-shlibdeps -O "$PROGRAM" 2>/dev/null) | sed -n 's/^shlibs:Depends=/Depends: /p'
}
