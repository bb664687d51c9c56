# shellcheck shell=bash
# Debian kernels and their modules for guests. Sourced with `target` set, and a function
# `fail`.

# Unpacked kernels are kept here.
target=${target:?}
cache=${XDG_CACHE_HOME:+$XDG_CACHE_HOME/tune-guest}
cache=${cache:-$target/guest/kernels}

# What guests are made with: programs, and the packages that they come in.
# shellcheck disable=SC2034 # used by those who source this
GUEST_TOOLS=(qemu-system-x86_64:qemu-system-x86 cpio:cpio busybox:busybox-static xz:xz-utils zstd:zstd depmod:kmod)

# ensure_tools PROGRAM:PACKAGE...: finds programs; as root installs what is missing, otherwise names it.
ensure_tools() {
    local missing=() pair
    for pair; do
        PATH=$PATH:/usr/sbin:/sbin command -v "${pair%:*}" >/dev/null || missing+=("${pair#*:}")
    done
    ((${#missing[@]})) || return 0
    ((EUID == 0)) || fail "missing packages: ${missing[*]}"
    apt-get install -y --no-install-recommends "${missing[@]}" >&2 ||
        { apt-get update >&2 && apt-get install -y --no-install-recommends "${missing[@]}" >&2; } ||
        fail "cannot install ${missing[*]}"
}

# Prints the versioned package that a kernel meta-package stands for, or the name itself.
kernel_package() {
    local found
    found=$(apt-cache depends "$1" 2>/dev/null | awk '$1 == "Depends:" && $2 ~ /^linux-image-/ { print $2; exit }')
    echo "${found:-$1}"
}

# fetch_kernel NAME: sets kernel_tree to an unpacked kernel package, downloading it when the cache has none.
kernel_tree=''
fetch_kernel() {
    local package scratch
    package=$(kernel_package "$1")
    kernel_tree=$cache/$package
    [[ ! -e $kernel_tree/complete ]] || return 0
    mkdir -p "$cache"
    scratch=$(mktemp -d "$cache/fetch.XXXXXX")
    (cd "$scratch" && download_package "$package") || { rm -rf "$scratch" && fail "cannot download $package"; }
    dpkg-deb -x "$scratch"/*.deb "$scratch/tree"
    [[ -e $scratch/tree/lib ]] || ln -s usr/lib "$scratch/tree/lib"
    PATH=$PATH:/usr/sbin:/sbin depmod -b "$scratch/tree" "$(ls "$scratch/tree/lib/modules")"
    touch "$scratch/tree/complete"
    rm -rf "$kernel_tree"
    mv "$scratch/tree" "$kernel_tree"
    rm -rf "$scratch"
}

# Package lists may be older than the archive, so a failed download is tried once more with fresh ones.
download_package() {
    apt-get download "$1" >&2 || { ((EUID == 0)) && apt-get update >&2 && apt-get download "$1" >&2; }
}

# add_modules DIRECTORY NAME...: copies modules of the kernel in load order, unpacked, since busybox insmod loads plain files
# only, and lists them in the file "order".
add_modules() {
    local version name path place=$1
    shift
    mkdir -p "$place"
    : >"$place/order"
    version=$(ls "$kernel_tree/lib/modules")
    for name; do
        PATH=$PATH:/usr/sbin:/sbin modprobe -d "$kernel_tree" -S "$version" --show-depends "$name" ||
            fail "${kernel_tree##*/} has no module $name"
    done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }' |
        while read -r path; do
            add_module "$path" "$place"
        done
}

add_module() {
    local plain
    plain=$(basename "$1")
    plain=${plain%.?z}
    plain=${plain%.zst}
    case $1 in
        *.xz) xz -dc "$1" ;;
        *.zst) zstd -qdc "$1" ;;
        *.gz) gzip -dc "$1" ;;
        *) cat "$1" ;;
    esac >"$2/$plain"
    echo "$plain" >>"$2/order"
}
