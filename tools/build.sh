# Sourced by ./nibble and ./check, which start in the repository's root: packages, configure, build, and the time each takes.

say() { echo "nibble: $*" >&2; }

# seconds_since START: START from $EPOCHREALTIME; prints seconds with one decimal.
seconds_since() {
  local start=${1/[.,]/} now=${EPOCHREALTIME/[.,]/}
  local tenths=$(((now - start + 50000) / 100000))
  printf '%d.%d' $((tenths / 10)) $((tenths % 10))
}

# What the program is built from.
sources=(src apps include cmake third_party CMakeLists.txt CMakePresets.json tools/packages.txt)

# up_to_date STAMP: true when no file of the sources was changed, added or removed since the stamp. The change of state
# counts (ctime), so that a file moved here with an old date is seen too.
up_to_date() {
  [[ -e $1 ]] || return 1
  local existing=() path
  for path in "${sources[@]}"; do
    if [[ -e $path ]]; then existing+=("$path"); fi
  done
  [[ -z $(find "${existing[@]}" -newercm "$1" ! -name '*.pyc' ! -name __pycache__ -print -quit) ]]
}

# configure PRESET [cmake arguments]
configure() {
  local preset=$1 log
  shift
  mkdir -p build
  log=build/configure-$preset.log
  if ! cmake --preset "$preset" "$@" >"$log" 2>&1; then
    tail -n 30 "$log" >&2
    say "configuring '$preset' failed; the whole output is in $log. After a change of compiler or packages, remove build/$preset and try again"
    return 1
  fi
}

# build PRESET [targets]: configures a new build tree and builds what is out of date.
build() {
  local preset=$1 start=$EPOCHREALTIME
  shift
  if [[ ! -e build/$preset/build.ninja ]]; then configure "$preset" || return; fi
  ninja -C "build/$preset" "$@" >&2 || return
  say "built $preset in $(seconds_since "$start") s"
}
