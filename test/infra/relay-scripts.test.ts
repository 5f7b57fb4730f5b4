import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { flat, synthesize } from './synthesize.ts'

/*
 * The scripts of the relay's instance, in a folder that stands for the root of its file system. The programs of the system that they
 * call write down their arguments.
 */

const PROGRAM = 'console.log("relay")'
const DIGEST = createHash('sha256').update(PROGRAM).digest('hex')
const FOLDERS = /\/(?:etc|run|var\/lib|usr\/local\/lib|usr\/bin|opt\/aws)\//g

let root: string

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'longshore-instance-'))
  for (const name of ['fetch', 'prepare', 'patch', 'refresh', 'power-off'])
    script(`/usr/local/lib/longshore/${name}`, readFileSync(`infra/relay-instance/${name}.sh`, 'utf8'))
  put('/etc/longshore/instance', 'REGION=eu-west-1\nPARAMETER=/longshore/relay\n')
  put('/etc/longshore/cloudwatch-agent.json', '{}')
  put('/served/program', PROGRAM)
  configure({})
  // The last argument of `aws s3api get-object` is the file to write.
  script(
    '/stubs/aws',
    `echo "aws $1 $2 dualstack=\${AWS_USE_DUALSTACK_ENDPOINT:-false}" >> "$ROOT/calls"
case $1 in ssm) cat "$ROOT/served/configuration" ;; *) for last; do :; done; cp "$ROOT/served/program" "$last" ;; esac\n`,
  )
  for (const name of ['dnf', 'systemctl']) script(`/stubs/${name}`, `echo "${name} $*" >> "$ROOT/calls"\n`)
  script(
    '/opt/aws/amazon-cloudwatch-agent/bin/amazon-cloudwatch-agent-ctl',
    'echo "cloudwatch-agent $2" >> "$ROOT/calls"\n',
  )
})

afterEach(() => rmSync(root, { recursive: true, force: true }))

describe('The user data', () => {
  it('writes every script and unit as it is, and starts the units', () => {
    const { UserData } = synthesize().one('AWS::EC2::Instance')
    // The paths of the files, not those in them.
    const text = flat(UserData['Fn::Base64']).replace(
      /(?<=install .*|-e )\/(?:etc|usr|var)\//g,
      path => root + path,
    )
    put('/usr/local/lib/longshore/boothook', text)
    expect(run('boothook')).toEqual({ status: 0, output: '' })

    expect(statSync(join(root, 'var/log/longshore/relay.log')).mode & 0o777).toBe(0o644)
    for (const name of readdirSync('infra/relay-instance')) {
      const written = readFileSync(join(root, placeOf(name)), 'utf8')
      expect(written, name).toBe(readFileSync(join('infra/relay-instance', name), 'utf8'))
    }
    expect(calls()).toEqual([
      'systemctl mask --now sshd.service amazon-ssm-agent.service',
      'systemctl daemon-reload',
      'systemctl enable --now --no-block longshore-relay.service longshore-power-off.path longshore-refresh.timer',
    ])
  })

  function placeOf(name: string): string {
    if (name === 'logrotate.conf') return 'etc/logrotate.d/longshore'
    return name.endsWith('.sh')
      ? `usr/local/lib/longshore/${name.slice(0, -3)}`
      : `etc/systemd/system/${name}`
  }
})

describe('The preparation', () => {
  it('installs Node and the agent once, and configures the agent once', () => {
    run('prepare')
    script('/usr/bin/node-24', '')
    const first = calls()
    run('prepare')
    expect(first.slice(0, 2)).toEqual([
      'dnf --assumeyes --setopt=ip_resolve=4 install nodejs24 amazon-cloudwatch-agent',
      'cloudwatch-agent fetch-config',
    ])
    expect(calls().filter(call => /^(dnf|cloudwatch)/.test(call))).toEqual([])
  })

  it('reads the configuration over IPv6, and fetches the program over IPv4, once for each version', () => {
    run('prepare')
    const first = calls()
    run('prepare')
    expect(first.slice(2)).toEqual([
      'aws ssm get-parameter dualstack=true',
      'aws s3api get-object dualstack=false',
    ])
    expect(calls().filter(call => call.startsWith('aws'))).toEqual(['aws ssm get-parameter dualstack=true'])
    expect(readFileSync(join(root, 'run/longshore/relay.mjs'), 'utf8')).toBe(PROGRAM)
    expect(readFileSync(join(root, 'run/longshore/relay.env'), 'utf8')).toContain('LONGSHORE_PACKAGES="1"')
  })

  it('lets the user of the relay read the program', () => {
    run('prepare')
    const modeOf = (path: string) => (statSync(join(root, path)).mode & 0o777).toString(8)
    expect(modeOf('var/lib/longshore')).toBe('755')
    expect(modeOf('run/longshore')).toBe('755')
    expect(modeOf('run/longshore/relay.mjs')).toBe('644')
  })

  it('refuses a program with another digest', () => {
    put('/served/program', 'something else')
    const { status, output } = run('prepare')
    expect(status).toBe(1)
    expect(output).toContain('does not have the digest of the configuration')
    expect(existsSync(join(root, 'run/longshore/relay.mjs'))).toBe(false)
  })

  it('fetches a damaged program again, and keeps no older version', () => {
    put(`/var/lib/longshore/${DIGEST}.mjs`, 'damaged')
    put('/var/lib/longshore/0a1b.mjs', 'older')
    run('prepare')
    const kept = readdirSync(join(root, 'var/lib/longshore')).filter(name => name.endsWith('.mjs'))
    expect(kept).toEqual([`${DIGEST}.mjs`])
    expect(readFileSync(join(root, 'run/longshore/relay.mjs'), 'utf8')).toBe(PROGRAM)
  })
})

describe('The upgrade', () => {
  beforeEach(() => void run('prepare'))

  it('is made once for each release', () => {
    expect(run('patch').status).toBe(0)
    expect(calls().at(-1)).toBe('dnf --assumeyes --setopt=ip_resolve=4 --releasever=1 upgrade')
    expect(run('patch').status).toBe(1)
    expect(calls()).toEqual([])
  })

  it('that failed is not repeated on the same day', () => {
    script('/stubs/dnf', 'echo failed >> "$ROOT/calls"; exit 1\n')
    expect(run('patch').status).not.toBe(0)
    run('patch')
    expect(calls().filter(call => call === 'failed')).toHaveLength(1)
  })
})

describe('A deployment', () => {
  beforeEach(() => {
    configure({ LONGSHORE_POWER_OFF: '/power-off' })
    run('prepare')
    calls()
  })

  it('that changes nothing leaves the relay alone', () => {
    run('refresh')
    expect(calls()).not.toContain('systemctl restart longshore-relay.service')
  })

  it('that changes the configuration restarts the relay', () => {
    configure({ LONGSHORE_POWER_OFF: '/power-off', LONGSHORE_GRACE_HOURS: '48' })
    run('refresh')
    expect(calls()).toContain('systemctl restart longshore-relay.service')
  })

  it('leaves a relay alone that has stopped', () => {
    configure({ LONGSHORE_GRACE_HOURS: '48' })
    script('/stubs/systemctl', 'echo "systemctl $*" >> "$ROOT/calls"; [ "$2" != is-active ]\n')
    run('refresh')
    expect(calls()).toEqual(['systemctl --quiet is-active longshore-relay.service'])
  })

  it('with a new release upgrades and reboots an instance that is never stopped', () => {
    configure({})
    run('prepare')
    run('refresh')
    expect(calls().slice(-2)).toEqual([
      'dnf --assumeyes --setopt=ip_resolve=4 --releasever=1 upgrade',
      'systemctl --no-block reboot',
    ])
  })
})

describe('Powering off', () => {
  it('is asked for by a file that only the relay can write', () => {
    put('/run/longshore-relay/other', '')
    expect(run('power-off').status).toBe(0)
    expect(existsSync(join(root, 'run/longshore-relay/power-off'))).toBe(true)
    const unit = readFileSync('infra/relay-instance/longshore-power-off.path', 'utf8')
    expect(unit).toContain('PathExists=/run/longshore-relay/power-off\n')
  })

  it('happens after the relay has stopped, even if the upgrade fails', () => {
    const unit = readFileSync('infra/relay-instance/longshore-power-off.service', 'utf8')
    expect(unit.match(/^ExecStart=.*$/gm)).toEqual([
      'ExecStart=/usr/bin/systemctl stop longshore-relay.service',
      'ExecStart=-/usr/local/lib/longshore/patch',
      'ExecStart=/usr/bin/systemctl --no-block poweroff',
    ])
  })
})

describe('The service of the relay', () => {
  const unit = readFileSync('infra/relay-instance/longshore-relay.service', 'utf8')

  it.each([
    'DynamicUser=yes',
    'NoNewPrivileges=yes',
    'ProtectSystem=strict',
    'ProtectHome=yes',
    'PrivateDevices=yes',
    'CapabilityBoundingSet=',
    'SystemCallFilter=@system-service',
  ])('has the sandbox option %s', option => {
    expect(unit.split('\n')).toContain(option)
  })

  it('does not start again what has ended by itself', () => {
    expect(unit).toMatch(/^Restart=on-failure$/m)
  })
})

/** Runs a script of the instance with sh. */
function run(name: string): { status: number | null; output: string } {
  const env = { PATH: `${join(root, 'stubs')}:/usr/bin:/bin`, ROOT: root }
  // The umask of the relay's unit.
  const command = `umask 077; exec sh ${join(root, 'usr/local/lib/longshore', name)}`
  const { status, stdout, stderr } = spawnSync('sh', ['-c', command], {
    encoding: 'utf8',
    env,
  })
  return { status, output: stdout + stderr }
}

/** What the scripts called since the last time. */
function calls(): string[] {
  const path = join(root, 'calls')
  if (!existsSync(path)) return []
  const lines = readFileSync(path, 'utf8').trimEnd().split('\n')
  rmSync(path)
  return lines
}

function configure(variables: Record<string, string>): void {
  const all = {
    LONGSHORE_BUNDLE_BUCKET: 'assets',
    LONGSHORE_BUNDLE_KEY: 'relay.mjs',
    LONGSHORE_BUNDLE_SHA256: DIGEST,
    LONGSHORE_PACKAGES: '1',
    ...variables,
  }
  const lines = Object.entries(all).map(([name, value]) => `${name}="${value}"\n`)
  put('/served/configuration', lines.join(''))
}

function script(path: string, text: string): void {
  put(path, `${text.startsWith('#!') ? '' : '#!/bin/sh\n'}${text.replace(FOLDERS, folder => root + folder)}`)
  chmodSync(join(root, path), 0o755)
}

function put(path: string, text: string): void {
  mkdirSync(join(root, path, '..'), { recursive: true })
  writeFileSync(join(root, path), text)
}
