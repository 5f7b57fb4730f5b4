import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { buildPrograms } from '../../build/package.ts'
import { eventually } from '../support/command.ts'
import { Dockerd } from '../support/dockerd.ts'
import { freePort } from '../support/free-port.ts'
import { importNodeBase } from '../support/node-base-image.ts'
import { describeWith } from '../support/requirements.ts'
import { TempDir } from '../support/temp-dir.ts'

const DOCKERFILE = join(import.meta.dirname, '../../Dockerfile')
const IMAGE = 'longshore-test/server:1'
/** The engine of the tests has no bridge, so containers use the host network. */
const RUN = ['run', '--network=host', '--detach', '--read-only', '--cap-drop=ALL', '--volume=registry:/data']

describeWith({ tools: ['docker', 'dockerd'], root: true, linux: true }, 'the container image', () => {
  const scratch = new TempDir('longshore-container-')
  let engine: Dockerd
  let port: number

  beforeAll(async () => {
    engine = await Dockerd.start()
    const base = await importNodeBase(engine, scratch)
    const context = scratch.join('dist')
    buildPrograms(context)
    const args = ['--tag', IMAGE, '--build-arg', `BASE=${base}`, '--file', DOCKERFILE, context]
    await engine.docker('build', '--network=none', ...args)
    port = await freePort()
    const environment = ['--env', `LONGSHORE_PORT=${port}`, '--env', 'LONGSHORE_AUTH=open']
    await engine.docker(...RUN, '--name=registry', ...environment, IMAGE)
    await eventually(isServing, () => `the container does not respond on port ${port}`)
  })

  afterAll(async () => {
    await engine?.docker('rm', '--force', '--volumes', 'registry').catch(() => {})
    await engine?.stop()
    scratch.remove()
  })

  const isServing = () =>
    fetch(`http://localhost:${port}/healthz`).then(
      ({ status }) => status === 200,
      () => false,
    )
  const inspect = async (format: string) =>
    (await engine.docker('inspect', '--format', format, 'registry')).trim()

  test('runs as an unprivileged user on a read-only root file system', async () => {
    expect(await inspect('{{.Config.User}} {{.HostConfig.ReadonlyRootfs}}')).toBe('65532:65532 true')
    expect(await inspect('{{.State.Running}}')).toBe('true')
  })

  test('becomes healthy', async () => {
    await eventually(
      async () => (await inspect('{{.State.Health.Status}}')) === 'healthy',
      () => 'the container does not become healthy',
      60_000,
    )
  })

  test('stores its own image, which comes back unchanged', async () => {
    const name = `localhost:${port}/longshore/server:1`
    await engine.docker('tag', IMAGE, name)
    const pushed = await engine.imageId(name)

    await engine.docker('push', name)
    await engine.docker('image', 'rm', name)
    await engine.docker('pull', name)

    expect(await engine.imageId(name)).toBe(pushed)
  })

  test('keeps its data in the volume when the container is replaced', async () => {
    await engine.docker('rm', '--force', 'registry')
    const environment = ['--env', `LONGSHORE_PORT=${port}`, '--env', 'LONGSHORE_AUTH=open']
    await engine.docker(...RUN, '--name=registry', ...environment, IMAGE)
    await eventually(isServing, () => 'the second container does not respond')

    const catalog = await (await fetch(`http://localhost:${port}/v2/_catalog`)).json()

    expect(catalog).toEqual({ repositories: ['longshore/server'] })
  })

  test('runs the command line on the same volume', async () => {
    const printed = await engine.docker(
      'exec',
      'registry',
      '/nodejs/bin/node',
      '/app/longshore.js',
      'repo',
      'list',
    )
    expect(printed.trim()).toBe('longshore/server')
  })

  // This must be the last test, because it stops the container.
  test('stops on SIGTERM with exit code 0', async () => {
    await engine.docker('stop', '--time', '60', 'registry')
    expect(await inspect('{{.State.ExitCode}}')).toBe('0')
  })
})
