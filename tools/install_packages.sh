#!/usr/bin/env bash
# Installs the Debian packages of the given groups of packages.txt that are missing: tools/install_packages.sh build aarch64
set -euo pipefail
table=$(dirname "$0")/packages.txt

wanted=()
while read -r group package _; do
  for asked in "$@"; do
    if [[ $group == "$asked" ]]; then wanted+=("$package"); fi
  done
done <"$table"
if ((${#wanted[@]} == 0)); then
  echo "nibble: $table has no group named '$*'" >&2
  exit 2
fi

if ! command -v dpkg-query >/dev/null; then
  echo "nibble: this is not Debian; trusting that these are installed: ${wanted[*]}" >&2
  exit 0
fi

native=$(dpkg --print-architecture)
declare -A installed=()
while read -r name architecture status; do
  [[ $status == installed ]] || continue
  installed[$name:$architecture]=1
  if [[ $architecture == "$native" || $architecture == all ]]; then installed[$name]=1; fi
done < <(dpkg-query -W -f '${Package} ${Architecture} ${db:Status-Status}\n' "${wanted[@]}" 2>/dev/null || true)

missing=()
foreign=()
for package in "${wanted[@]}"; do
  if [[ -n ${installed[$package]:-} ]]; then continue; fi
  missing+=("$package")
  if [[ $package == *:* && ! " $native ${foreign[*]} " == *" ${package#*:} "* ]]; then foreign+=("${package#*:}"); fi
done
if ((${#missing[@]} == 0)); then exit 0; fi

if (($(id -u) == 0)); then
  root=(env)
elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
  root=(sudo -n env)
else
  add=""
  for architecture in "${foreign[@]}"; do add+="dpkg --add-architecture $architecture && "; done
  echo "nibble: packages are missing and there is no root access here; run this line, then try again:" >&2
  become="su -c"
  if command -v sudo >/dev/null; then become="sudo sh -c"; fi
  echo "$become '${add}apt-get update && apt-get install -y --no-install-recommends ${missing[*]}'" >&2
  exit 1
fi

echo "nibble: installing ${missing[*]}" >&2
for architecture in "${foreign[@]}"; do "${root[@]}" dpkg --add-architecture "$architecture" >&2; done
apt=("${root[@]}" DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 -o APT::Color=0)
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! "${apt[@]}" update >"$log" 2>&1; then
  tail -n 5 "$log" >&2
  echo "nibble: apt-get update failed; going on with the package lists that are here" >&2
fi
if ! "${apt[@]}" install -y --no-install-recommends "${missing[@]}" </dev/null >"$log" 2>&1; then
  tail -n 20 "$log" >&2
  echo "nibble: apt-get could not install ${missing[*]}; install them by hand and try again" >&2
  exit 1
fi
