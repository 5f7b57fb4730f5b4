import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Aws } from 'aws-cdk-lib'

const FILES = join(import.meta.dirname, '../relay-instance')
const SCRIPTS = ['fetch', 'prepare', 'patch', 'refresh', 'power-off']
const UNITS = [
  'longshore-relay.service',
  'longshore-power-off.path',
  'longshore-power-off.service',
  'longshore-refresh.service',
  'longshore-refresh.timer',
]
const LOG_FILE = '/var/log/longshore/relay.log'
/** The script with which the relay powers off its instance. */
export const POWER_OFF = '/usr/local/lib/longshore/power-off'

/** The host names of AWS that have IPv6 addresses: all but those of S3 and DynamoDB have none at their usual names. */
export function dualStackHost(service: string): string {
  return `${service}.${Aws.REGION}.api.aws`
}

interface UserDataProps {
  /** Name of the SSM parameter with the relay's configuration. */
  readonly parameter: string
  /** Name of the log group. */
  readonly log: string
}

/**
 * What the instance does when it boots. cloud-init runs a boothook at every boot, before the network counts as online, so changes of the
 * files take effect at the next boot, without a new instance. The relay's program and its configuration are not in here: the relay's unit
 * fetches them at every start.
 */
export function relayUserData({ parameter, log }: UserDataProps): string {
  const instance = `REGION=${Aws.REGION}\nPARAMETER=${parameter}\n`
  return [
    '#cloud-boothook',
    '#!/bin/sh',
    // There is no key pair, and nothing could reach them.
    'systemctl mask --now sshd.service amazon-ssm-agent.service',
    // Readable for the CloudWatch agent. systemd would create it with the umask of the relay's unit.
    `[ -e ${LOG_FILE} ] || install -D -m 0644 /dev/null ${LOG_FILE}`,
    file('/etc/longshore/instance', '0644', instance),
    file('/etc/longshore/cloudwatch-agent.json', '0644', `${JSON.stringify(agentOf(log))}\n`),
    file('/etc/logrotate.d/longshore', '0644', read('logrotate.conf')),
    ...SCRIPTS.map(name => file(`/usr/local/lib/longshore/${name}`, '0755', read(`${name}.sh`))),
    ...UNITS.map(name => file(`/etc/systemd/system/${name}`, '0644', read(name))),
    'systemctl daemon-reload',
    'systemctl enable --now --no-block longshore-relay.service longshore-power-off.path longshore-refresh.timer',
    '',
  ].join('\n')
}

/** The CloudWatch agent of Amazon Linux sends the relay's log. Its usual host name has no IPv6 address. */
function agentOf(log: string) {
  const entry = {
    file_path: LOG_FILE,
    log_group_name: log,
    log_stream_name: '{instance_id}',
  }
  return {
    agent: { region: Aws.REGION, run_as_user: 'cwagent' },
    logs: { endpoint_override: dualStackHost('logs'), logs_collected: { files: { collect_list: [entry] } } },
  }
}

function file(path: string, mode: string, content: string): string {
  return `install -D -m ${mode} /dev/stdin ${path} <<'LONGSHORE'\n${content}LONGSHORE`
}

function read(name: string): string {
  return readFileSync(join(FILES, name), 'utf8')
}
