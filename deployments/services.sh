#!/bin/sh
# PostgreSQL and Redis from the system's packages, where they are missing and can be installed. Nothing is started:
# the tests run their own. This never fails, as tests without them are skipped with the reason.
set -u

# A package asks this file whether it may start its service.
POLICY=/usr/sbin/policy-rc.d

missing() {
    command -v redis-server >/dev/null 2>&1 || printf 'redis-server '
    command -v initdb >/dev/null 2>&1 || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || printf 'postgresql '
}

without() {
    echo "Tests of the production settings are skipped: $1. Install: $wanted" >&2
    exit 0
}

wanted=$(missing)
test -n "$wanted" || exit 0
command -v apt-get >/dev/null 2>&1 || without "this system has no apt-get"
if test "$(id -u)" -eq 0; then
    as_root=
elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
    as_root=sudo
else
    without "installing packages needs root"
fi

log=$(mktemp)
trap 'rm -f "$log"; test -z "${made:-}" || $as_root rm -f "$POLICY"' EXIT
if ! test -e "$POLICY"; then
    printf '#!/bin/sh\nexit 101\n' | $as_root tee "$POLICY" >/dev/null && $as_root chmod 755 "$POLICY" && made=1
fi

echo "Installing from the system's packages (once): $wanted"

install="env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $wanted"
$as_root $install >"$log" 2>&1 \
    || { $as_root apt-get update >"$log" 2>&1 && $as_root $install >>"$log" 2>&1; } \
    || without "apt-get failed with: $(tail -n 1 "$log")"
