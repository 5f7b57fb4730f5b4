#!/bin/sh
# Restarts the relay after a deployment that changed its configuration or its program.
set -eu
systemctl --quiet is-active longshore-relay.service || exit 0
/usr/local/lib/longshore/fetch > /run/longshore/latest.env
cmp -s /run/longshore/latest.env /run/longshore/relay.env || systemctl restart longshore-relay.service
# An instance that powers itself off is upgraded then.
if ! grep -q '^LONGSHORE_POWER_OFF=' /run/longshore/relay.env && /usr/local/lib/longshore/patch; then
  systemctl --no-block reboot
fi
