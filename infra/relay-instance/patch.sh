#!/bin/sh
# Upgrades all packages to the release of the configuration. Succeeds only if it has done so now.
set -eu
state=/var/lib/longshore
release=$(sed -n 's/^LONGSHORE_PACKAGES="\(.*\)"$/\1/p' /run/longshore/relay.env)
[ "$release" != "$(cat "$state/packages" 2> /dev/null || true)" ] || exit 1
# An upgrade that failed is repeated a day later.
[ -z "$(find "$state/attempt" -mmin -1440 2> /dev/null || true)" ] || exit 1
touch "$state/attempt"
timeout 900 dnf --assumeyes --setopt=ip_resolve=4 --releasever="$release" upgrade
echo "$release" > "$state/packages"
