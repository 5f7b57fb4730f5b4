import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { attempt, BackgroundProcess, eventually, run } from '../support/command.ts'
import { image } from '../support/images.ts'
import { installNode } from '../support/other-node.ts'
import { packProject, withNode } from '../support/packed.ts'
import { RegistryClient } from '../support/registry-client.ts'
import { describeWith } from '../support/requirements.ts'
import { TempDir } from '../support/temp-dir.ts'

/**
 * The oldest Node that the package supports, and the newest version of the npm package for Node when this was written.
 */
const NODES = ['22.13.0', '26.12.1']
const ENVIRONMENT = { AWS_ACCESS_KEY_ID: 'id', AWS_SECRET_ACCESS_KEY: 'key', AWS_REGION: 'eu-central-1' }

describeWith({ linux: true }, 'the packed package', () => {
  const scratch = new TempDir('longshore-package-')
  let tarball: string
  let folder: string

  beforeAll(async () => {
    tarball = await packProject(scratch)
    folder = scratch.folder('installed')
    scratch.write('installed/package.json', '{"private":true}')
    // Offline, because the package has no dependencies.
    await run('npm', ['install', '--offline', '--no-audit', '--no-fund', tarball], { cwd: folder })
  })

  afterAll(() => scratch.remove())

  const program = (name: string) => scratch.join('installed/node_modules/.bin', name)

  test('contains the built programs and no sources or tests', () => {
    const files = execFileSync('tar', ['-tzf', tarball], { encoding: 'utf8' }).trim().split('\n')
    const others = files.filter(file => !file.startsWith('package/dist/'))
    expect(others.sort()).toEqual(['package/README.md', 'package/package.json'])
    expect(files.filter(file => !/\.(js|json|md|txt)$/.test(file))).toEqual([])
  })

  test('has a manifest without dependencies, for the tested versions of Node', () => {
    const manifest = JSON.parse(
      readFileSync(scratch.join('installed/node_modules/longshore/package.json'), 'utf8'),
    )
    expect(Object.keys(manifest).filter(key => /dependencies|scripts|private/i.test(key))).toEqual([])
    expect(manifest).toMatchObject({ name: 'longshore', engines: { node: '>=22.13' } })
    expect(manifest.version).toBe(JSON.parse(readFileSync('package.json', 'utf8')).version)
  })

  test('reports the required Node when it runs on an older one', async () => {
    const env = withNode(await installNode('20.20.2'))
    const { code, stdout, stderr } = await attempt(program('longshore'), ['serve'], { env })
    expect([code, stdout]).toEqual([1, ''])
    expect(stderr).toBe('longshore: Node.js 22.13 or newer is required, but this is 20.20.2\n')
  })

  describe.each(NODES)('on Node %s', version => {
    let env: Record<string, string>
    let server: BackgroundProcess
    let url: string
    const data = `data-${version}`

    beforeAll(async () => {
      env = { ...ENVIRONMENT, ...withNode(await installNode(version)) }
      const args = ['serve', '--port', '0', '--data', scratch.join(data), '--log', 'json']
      server = new BackgroundProcess(program('longshore'), args, env)
      url = await eventually(
        () => /http:\/\/localhost:\d+/.exec(server.stdout)?.[0],
        () => `the server does not listen:\n${server.logs}`,
      )
    })

    afterAll(async () => server?.end())

    test('pushes and pulls an image', async () => {
      const client = new RegistryClient(url, 'team/app')
      const pushed = image(`package-${version}`)
      await client.pushImage(pushed, 'v1')
      expect(await client.missing(pushed)).toEqual([])
    })

    test('runs the command line beside the server', async () => {
      const folder = ['--data', scratch.join(data)]
      await run(program('longshore'), ['user', 'add', 'ann', '--admin', ...folder], {
        env,
        input: 'correct horse\n',
      })
      const users = JSON.parse(
        await run(program('longshore'), ['user', 'list', '--json', ...folder], { env }),
      )
      expect(users).toMatchObject([{ name: 'ann', admin: true }])
    })

    test('serves the OpenAPI document', async () => {
      const document = await (await fetch(`${url}/api/openapi.json`)).json()
      expect(document).toMatchObject({ openapi: '3.1.0' })
    })

    test('speaks the credential helper protocol of Docker', async () => {
      const printed = await run(program('docker-credential-longshore'), ['get'], {
        env,
        input: 'registry.example',
      })
      expect(JSON.parse(printed)).toMatchObject({ ServerURL: 'registry.example', Username: 'aws' })
    })

    test('speaks the credential provider protocol of the kubelet', async () => {
      const request = {
        apiVersion: 'credentialprovider.kubelet.k8s.io/v1',
        kind: 'CredentialProviderRequest',
        image: 'registry.example/team/app:v1',
      }
      const printed = await run(program('longshore'), ['kubelet-credential-provider'], {
        env,
        input: JSON.stringify(request),
      })
      expect(JSON.parse(printed)).toMatchObject({
        kind: 'CredentialProviderResponse',
        auth: { 'registry.example': { username: 'aws', password: expect.stringContaining('https://sts.') } },
      })
    })

    // This must be the last test, because it stops the server.
    test('stops on SIGTERM, and has logged only JSON', async () => {
      await server.end()
      expect(server.exitCode).toBe(0)
      const lines = server.logs.slice(server.stdout.length).trim().split('\n')
      expect(lines.length).toBeGreaterThan(1)
      for (const line of lines) expect(() => JSON.parse(line), line).not.toThrow()
    })
  })
})
