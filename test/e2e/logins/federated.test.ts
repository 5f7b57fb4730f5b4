import { chmodSync } from 'node:fs'
import { delimiter, resolve } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { attempt, run } from '../../support/command.ts'
import { writeDockerArchive } from '../../support/docker-archive.ts'
import { Dockerd } from '../../support/dockerd.ts'
import { freePort } from '../../support/free-port.ts'
import { image } from '../../support/images.ts'
import { Issuer } from '../../support/issuer.ts'
import { LocalServer } from '../../support/local-server.ts'
import { writeLayout } from '../../support/oci-layout.ts'
import { randomBytesOf } from '../../support/random-bytes.ts'
import { describeWith, findTool } from '../../support/requirements.ts'
import { Sts } from '../../support/sts.ts'
import { tar, tarFile } from '../../support/tar.ts'
import { TempDir } from '../../support/temp-dir.ts'

const KEYS = { accessKeyId: 'ASIAEXAMPLEEXAMPLE00', secretAccessKey: 'key', sessionToken: 'session' }
const MAY = { may: ['pull', 'push', 'create-tag', 'overwrite-tag'], on: ['team/**'] }
const RULES = [
  { name: 'the role', who: ['role:arn:aws:iam::123456789012:role/deploy'], ...MAY },
  { name: 'main', who: ['oidc:ci'], claims: { ref: 'refs/heads/main' }, ...MAY },
]

describeWith({ linux: true }, 'federated logins', () => {
  const scratch = new TempDir('longshore-federated-')
  let sts: Sts
  let issuer: Issuer
  let server: LocalServer

  beforeAll(async () => {
    sts = await Sts.start()
    sts.addSigner({ credentials: KEYS, arn: 'arn:aws:sts::123456789012:assumed-role/deploy/build' })
    issuer = await Issuer.start()
    const data = scratch.folder('data')
    const policy = scratch.write('policy.json', JSON.stringify({ rules: RULES }))
    await run(process.execPath, ['cli/longshore.js', 'policy', 'set', policy, '--data', data])
    const issuers = [{ name: 'ci', issuer: issuer.url, claims: { repository: 'acme/*' } }]
    const port = await freePort()
    server = await LocalServer.start({
      data,
      args: [
        ...['--port', `${port}`, '--origin', `http://localhost:${port}`, '--aws-accounts', '123456789012'],
        ...['--sts-endpoint', sts.endpoint],
        ...['--issuers', scratch.write('issuers.json', JSON.stringify(issuers))],
      ],
    })
    // In a folder of PATH, as `npm install --global` installs it.
    const helper = scratch.write(
      'docker-credential-longshore',
      `#!/bin/sh\nexec '${process.execPath}' '${resolve('cli/credential-helper.js')}' "$@"\n`,
    )
    chmodSync(helper, 0o755)
  })
  afterAll(async () => {
    await server?.stop()
    await sts?.stop()
    await issuer?.stop()
    scratch.remove()
  })

  /** The environment of a user with an AWS role who has run `longshore login --aws`. */
  async function homeWithAwsRole(name: string): Promise<Record<string, string>> {
    const home = scratch.folder(name)
    const env = {
      HOME: home,
      DOCKER_CONFIG: home,
      PATH: `${scratch.path}${delimiter}${process.env.PATH}`,
      AWS_REGION: 'eu-central-1',
      AWS_ACCESS_KEY_ID: KEYS.accessKeyId,
      AWS_SECRET_ACCESS_KEY: KEYS.secretAccessKey,
      AWS_SESSION_TOKEN: KEYS.sessionToken,
    }
    await run(process.execPath, ['cli/longshore.js', 'login', server.host, '--aws'], { env })
    return env
  }
  const onMain = () => issuer.mint({ audience: server.host, claims: { ref: 'refs/heads/main' } })

  describeWith({ tools: ['crane'] }, 'crane', () => {
    const crane = (env: Record<string, string>, ...args: string[]) =>
      attempt(findTool('crane') ?? 'crane', args, { env })

    test('pushes and pulls with the credential helper, limited to the rights of the role', async () => {
      const env = await homeWithAwsRole('crane')
      const layout = writeLayout(scratch.join('layout'), { 1: image('federated') })
      expect(await crane(env, 'push', layout, `${server.host}/team/crane:1`)).toMatchObject({ code: 0 })
      expect(await crane(env, 'validate', '--remote', `${server.host}/team/crane:1`)).toMatchObject({
        code: 0,
      })
      const refused = await crane(env, 'push', layout, `${server.host}/other/crane:1`)
      expect([refused.code, refused.stderr]).toEqual([1, expect.stringMatching(/DENIED|403/)])
      const stranger = await crane(
        { ...env, AWS_SECRET_ACCESS_KEY: 'stolen' },
        'digest',
        `${server.host}/team/crane:1`,
      )
      expect(stranger.code).not.toBe(0)
    })
  })

  describeWith({ tools: ['skopeo'] }, 'skopeo', () => {
    test('pushes with an ID token', async () => {
      const authfile = ['--authfile', scratch.join('skopeo.json')]
      const login = [
        'login',
        '--tls-verify=false',
        ...authfile,
        '-u',
        'oidc',
        '--password-stdin',
        server.host,
      ]
      expect((await attempt('skopeo', login, { input: await issuer.mint() })).code).not.toBe(0)
      expect(await attempt('skopeo', login, { input: await onMain() })).toMatchObject({ code: 0 })
      const from = `oci:${writeLayout(scratch.join('skopeo'), { 1: image('federated-skopeo') })}:1`
      const copy = ['--insecure-policy', 'copy', '--dest-tls-verify=false', ...authfile, from]
      expect(await attempt('skopeo', [...copy, `docker://${server.host}/team/skopeo:1`])).toMatchObject({
        code: 0,
      })
      expect((await attempt('skopeo', [...copy, `docker://${server.host}/other/skopeo:1`])).code).not.toBe(0)
    })
  })

  describeWith({ tools: ['docker', 'dockerd'], root: true }, 'Docker Engine', () => {
    test('pushes and pulls with the credential helper, and with an ID token', async () => {
      await using engine = await Dockerd.start()
      const name = `${server.host}/team/docker:1`
      writeDockerArchive(scratch.join('docker.tar'), name, [
        tar(tarFile('f', randomBytesOf('docker', 50_000))),
      ])
      await engine.docker('load', '-i', scratch.join('docker.tar'))
      const env = await homeWithAwsRole('docker')
      await engine.dockerAs({ env }, 'push', name)
      await engine.docker('image', 'rm', name)
      await engine.dockerAs({ env }, 'pull', name)

      const ci = { DOCKER_CONFIG: scratch.folder('docker-ci') }
      const login = async (token: string) =>
        engine.dockerAs({ env: ci, input: token }, 'login', '-u', 'oidc', '--password-stdin', server.host)
      await expect(login(await issuer.mint())).rejects.toThrow(/unauthorized/i)
      await login(await onMain())
      await engine.dockerAs({ env: ci }, 'push', name)
    })
  })
})
