#!/bin/sh
# Prints the configuration of the relay: lines of NAME="value", as systemd reads them.
set -eu
. /etc/longshore/instance
AWS_USE_DUALSTACK_ENDPOINT=true aws ssm get-parameter --region "$REGION" --name "$PARAMETER" --query Parameter.Value --output text
