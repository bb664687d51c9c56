# shellcheck shell=bash
# A package for Fedora, RHEL, SUSE and their kin, made by rpmbuild, which Debian has too. Sourced by packaging/build.

build_rpm() {
    need rpmbuild rpm
    program
    local root=$WORK/rpm hooks=$WORK/rpm-hooks architecture
    architecture=$(machine "$PROGRAM" 3)
    install -d "$hooks"
    rpm_tree "$root"
    rpm_hooks "$hooks"
    rpm_files "$root" >"$hooks/files"
    same_times "$root"
    rpm_pack "$root" "$hooks" "$architecture"
    made "$OUT/tune-$VERSION-$REVISION.$architecture.rpm"
}

rpm_tree() {
    stage "$1" "$PROGRAM" "$PROGRAM"
    stage_units "$1"
    stage_openrc "$1"
    stage_site "$1"
    install -m 644 CHANGELOG.md "$1/usr/$DOC"
    install -D -m 644 -t "$1/usr/share/licenses/tune" LICENSE-MIT LICENSE-APACHE
    mv "$1/usr/$DOC/third-party.gz" "$1/usr/share/licenses/tune"
}

rpm_hooks() {
    local script
    for script in preun postun; do
        hook "packaging/rpm/$script" >"$1/$script"
    done
}

# What the package owns, with rpm's words for licences and documents. Directories that other packages have are theirs.
rpm_files() {
    echo '%defattr(-,root,root,-)'
    (cd "$1" && find . -type d -path '*/tune*' -printf '%%dir /%P\n' -o ! -type d -printf '/%P\n') | LC_ALL=C sort |
        sed -e 's,^\(%dir \)\?\(/usr/share/licenses/\),%license \1\2,' -e 's,^\(%dir \)\?\(/usr/share/doc/\),%doc \1\2,'
}

rpm_pack() {
    rpmbuild -bb --quiet --target "$3-linux" --buildroot "$WORK/rpm-root" \
        --define "_topdir $WORK/rpmbuild" --define "_rpmdir $OUT" \
        --define '_build_name_fmt %%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm' \
        --define '_buildhost packages' --define 'use_source_date_epoch_as_buildtime 1' \
        --define 'clamp_mtime_to_source_date_epoch 1' --define '_binary_payload w19.zstdio' \
        --define "tune_version $VERSION" --define "tune_revision $REVISION" --define "tune_packager $MAINTAINER" \
        --define "tune_description $DESCRIPTION" --define "tune_tree $1" --define "tune_hooks $2" \
        --define "tune_day $(LC_ALL=C date --utc --date "@$SOURCE_DATE_EPOCH" '+%a %b %d %Y')" \
        packaging/rpm/tune.spec >/dev/null
}
