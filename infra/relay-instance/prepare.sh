#!/bin/sh
# Runs as root before each start of the relay: reads its configuration, and fetches its program unless that is here.
set -eu
. /etc/longshore/instance
lib=/usr/local/lib/longshore
state=/var/lib/longshore
run=/run/longshore
# The unit's umask lets nobody but root read what this writes, and the relay is another user.
umask 022
mkdir -p "$state" "$run"

# The repositories are in S3. The gateway endpoint routes IPv4.
[ -x /usr/bin/node-24 ] || dnf --assumeyes --setopt=ip_resolve=4 install nodejs24 amazon-cloudwatch-agent

if ! cmp -s /etc/longshore/cloudwatch-agent.json "$state/cloudwatch-agent.json"; then
  # The relay serves even if its log cannot be sent.
  /opt/aws/amazon-cloudwatch-agent/bin/amazon-cloudwatch-agent-ctl -a fetch-config -m ec2 -s -c file:/etc/longshore/cloudwatch-agent.json &&
    cp /etc/longshore/cloudwatch-agent.json "$state" || echo 'longshore: the log cannot be sent to CloudWatch'
fi

"$lib/fetch" > "$run/next.env"
value() { sed -n "s/^$1=\"\(.*\)\"\$/\1/p" "$run/next.env"; }
digest=$(value LONGSHORE_BUNDLE_SHA256)
is_intact() { [ -f "$1" ] && echo "$digest  $1" | sha256sum --check --status; }

program=$state/$digest.mjs
if ! is_intact "$program"; then
  rm -f "$state"/*.mjs "$state"/*.part
  aws s3api get-object --region "$REGION" --bucket "$(value LONGSHORE_BUNDLE_BUCKET)" --key "$(value LONGSHORE_BUNDLE_KEY)" "$program.part" > /dev/null
  is_intact "$program.part" || { echo 'longshore: the program of the relay does not have the digest of the configuration'; exit 1; }
  mv "$program.part" "$program"
fi
ln -sfn "$program" "$run/relay.mjs"
mv "$run/next.env" "$run/relay.env"
