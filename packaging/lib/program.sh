# shellcheck shell=bash
# The program that goes into a package. Sourced by packaging/build.

# Makes PROGRAM the one that was named, or that of this checkout, built where it is not up to date.
program() {
    PROGRAM=$BINARY
    if [[ ! $PROGRAM ]]; then
        cargo build --release --locked --package tune >&2 || fail 'the program could not be built'
        PROGRAM=$(realpath "${CARGO_TARGET_DIR:-target}/release/tune")
    fi
    check_program "$PROGRAM"
}

# A program of another version under this version's name would be a lie.
check_program() {
    [[ -x $1 ]] || fail "$1 is no program"
    local said
    said=$("$1" --version) || fail "$1 does not run here, so its manual pages cannot be made"
    [[ $said == "tune $VERSION" ]] || fail "$1 is ${said}, Cargo.toml says $VERSION"
}
