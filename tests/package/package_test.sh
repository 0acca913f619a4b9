#!/usr/bin/env bash
# package_test.sh cmake|pkg_config|deb BUILD VERSION COMMAND: installs leat from BUILD into a temporary
# folder and uses it from there as an outside project would. COMMAND: 1 if the leat command was built.
set -euo pipefail
way=$1 build=$2 version=$3 command=$4
here=$(dirname "$(readlink -f "$0")")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() {
  echo "package_test: $*" >&2
  exit 1
}

# One source that includes every installed header: a header that needs another one which is not
# installed breaks here.
every_header() {  # every_header INCLUDE_FOLDER
  (cd "$1" && find leat -name '*.h' ! -path '*/internal/*' | sort | sed 's/.*/#include "&"/')
}

says_version() {  # says_version PROGRAM
  "$1" --version | grep -qF "$version" || fail "$1 --version does not say $version"
}

runs() {  # runs PROGRAM LIBRARY_FOLDER
  [[ $(LD_LIBRARY_PATH=$2 "$1") == "leat answers" ]] || fail "$1 did not answer"
}

use_cmake() {
  cmake --install "$build" --prefix "$work/usr" >/dev/null
  every_header "$work/usr/include" >"$work/headers.cc"
  cmake -S "$here/outside" -B "$work/out" -G Ninja -DCMAKE_PREFIX_PATH="$work/usr" \
    -DEVERY_HEADER="$work/headers.cc" >/dev/null
  cmake --build "$work/out"
  # Without LD_LIBRARY_PATH: CMake writes the folder into the program.
  runs "$work/out/outside" ""
  ((!command)) || says_version "$work/usr/bin/leat"
}

use_pkg_config() {
  local flags
  cmake --install "$build" --prefix "$work/usr" >/dev/null
  export PKG_CONFIG_PATH
  PKG_CONFIG_PATH=$(dirname "$(find "$work/usr" -name leat.pc)")
  [[ $(pkg-config --modversion leat) == "$version" ]] || fail "leat.pc names another version"
  read -ra flags <<<"$(pkg-config --define-variable=prefix="$work/usr" --cflags --libs leat)"
  "${CXX:-c++}" -std=c++20 "$here/outside/main.cc" -o "$work/outside" "${flags[@]}"
  runs "$work/outside" "$(pkg-config --define-variable=prefix="$work/usr" --variable=libdir leat)"
}

use_deb() {
  local soversion=${version%%.*} deb
  (cd "$build" && cpack -G DEB -B "$work") >"$work/cpack.log" || fail "$(cat "$work/cpack.log")"
  deb=$(echo "$work/libleat${soversion}_${version}"*.deb)
  dpkg-deb -x "$deb" "$work/root"
  objdump -p "$work"/root/usr/lib/libleat.so."$version" >"$work/elf"
  grep -qE "SONAME +libleat\.so\.$soversion\$" "$work/elf" || fail "no soname in $deb"
  [[ -L $work/root/usr/lib/libleat.so.$soversion ]] || fail "no link for the soname in $deb"
  [[ ! -e $work/root/usr/lib/libleat.so ]] || fail "the link for builders is in $deb"
  dpkg-deb -f "$deb" Depends | grep -q libc6 || fail "no dependencies found for $deb"
  dpkg-deb -x "$work/libleat-dev_$version"*.deb "$work/root"
  every_header "$work/root/usr/include" >"$work/headers.cc"
  "${CXX:-c++}" -std=c++20 -I"$work/root/usr/include" "$here/outside/main.cc" "$work/headers.cc" \
    -L"$work/root/usr/lib" -lleat -lfmt -o "$work/outside"
  runs "$work/outside" "$work/root/usr/lib"
  ((!command)) || { dpkg-deb -x "$work/leat_$version"*.deb "$work/root" &&
    says_version "$work/root/usr/bin/leat"; }
}

"use_$way"
