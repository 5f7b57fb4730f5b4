import { mkdirSync } from 'node:fs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { attempt, run } from '../support/command.ts'
import { Containerd } from '../support/containerd.ts'
import { ContainersStorage } from '../support/containers-storage.ts'
import { writeDockerArchive } from '../support/docker-archive.ts'
import { Dockerd } from '../support/dockerd.ts'
import { image } from '../support/images.ts'
import { LocalServer } from '../support/local-server.ts'
import { writeLayout, writeLayoutArchive } from '../support/oci-layout.ts'
import { randomBytesOf } from '../support/random-bytes.ts'
import { describeWith, findTool } from '../support/requirements.ts'
import { Scratch } from '../support/scratch.ts'
import { tar, tarFile } from '../support/tar.ts'

const PASSWORD = 'correct horse'

describeWith({ linux: true }, 'logging in', () => {
  const scratch = new Scratch('longshore-logins-')
  let server: LocalServer
  let key: string

  const longshore = (words: string, input = '') =>
    run(process.execPath, ['cli/start.js', ...words.split(' '), '--data', scratch.join('data')], { input })

  beforeAll(async () => {
    mkdirSync(scratch.join('data'))
    await longshore('user add ann --admin', PASSWORD)
    const robot = await longshore('robot add ci --may pull,push,create-tag,overwrite-tag --on team/** --json')
    key = JSON.parse(robot).key
    const rule = { name: 'public', who: ['anonymous'], may: ['pull'], on: ['public/**'] }
    await longshore(`policy set ${scratch.write('policy.json', JSON.stringify({ rules: [rule] }))}`)
    server = await LocalServer.start({ data: scratch.join('data') })
  })
  afterAll(async () => {
    await server?.stop()
    scratch.remove()
  })

  /** Each client keeps its logins in a home of its own. */
  const home = (name: string) => {
    const path = scratch.folder(`home-${name}`)
    return { HOME: path, DOCKER_CONFIG: path, REGCTL_CONFIG: `${path}/regctl.json`, XDG_RUNTIME_DIR: path }
  }

  describeWith({ tools: ['crane'] }, 'crane', () => {
    const crane = (...args: string[]) => attempt(findTool('crane') ?? 'crane', args, { env: home('crane') })

    test('pushes and pulls what its key grants, and is told when it does not', async () => {
      const layout = writeLayout(scratch.join('crane'), { 1: image('login-crane') })
      expect((await crane('push', layout, `${server.host}/team/crane:1`)).stderr).toContain(
        '401 Unauthorized',
      )
      await crane('auth', 'login', server.host, '-u', 'ci', '-p', key)
      expect((await crane('push', layout, `${server.host}/team/crane:1`)).code).toBe(0)
      expect((await crane('validate', '--remote', `${server.host}/team/crane:1`)).code).toBe(0)
      expect((await crane('push', layout, `${server.host}/other/crane:1`)).stderr).toMatch(/DENIED|403/)
      await crane('auth', 'login', server.host, '-u', 'ci', '-p', 'wrong')
      expect((await crane('digest', `${server.host}/team/crane:1`)).code).not.toBe(0)
    })
  })

  describeWith({ tools: ['oras'] }, 'oras', () => {
    const oras = (...args: string[]) =>
      attempt(findTool('oras') ?? 'oras', args, { env: home('oras'), cwd: scratch.path })

    test('logs in right and wrong, and a stranger pulls what is public', async () => {
      scratch.write('file', 'content')
      const login = (password: string) =>
        oras('login', '--plain-http', '-u', 'ann', '-p', password, server.host)
      expect((await login('wrong password')).code).not.toBe(0)
      expect((await login(PASSWORD)).code).toBe(0)
      for (const name of ['public', 'private'])
        expect((await oras('push', '--plain-http', `${server.host}/${name}/oras:1`, 'file')).code).toBe(0)
      await oras('logout', server.host)
      expect((await oras('pull', '--plain-http', '-o', 'back', `${server.host}/public/oras:1`)).code).toBe(0)
      expect(
        (await oras('pull', '--plain-http', '-o', 'back', `${server.host}/private/oras:1`)).stderr,
      ).toMatch(/401|unauthorized/i)
    })
  })

  describeWith({ tools: ['regctl'] }, 'regctl', () => {
    const regctl = (...args: string[]) =>
      attempt(findTool('regctl') ?? 'regctl', args, { env: home('regctl') })

    test('logs in, pushes and is refused', async () => {
      await regctl('registry', 'set', server.host, '--tls', 'disabled', '--skip-check')
      const layout = `ocidir://${writeLayout(scratch.join('regctl'), { 1: image('login-regctl') })}:1`
      expect((await regctl('image', 'copy', layout, `${server.host}/team/regctl:1`)).code).not.toBe(0)
      expect((await regctl('registry', 'login', server.host, '-u', 'ci', '-p', key)).code).toBe(0)
      expect((await regctl('image', 'copy', layout, `${server.host}/team/regctl:1`)).code).toBe(0)
      expect((await regctl('image', 'copy', layout, `${server.host}/other/regctl:1`)).code).not.toBe(0)
    })
  })

  describeWith({ tools: ['skopeo'] }, 'skopeo', () => {
    const skopeo = (...args: string[]) =>
      attempt('skopeo', ['--insecure-policy', ...args], { env: home('skopeo') })

    test('logs in right and wrong, pushes and is refused', async () => {
      const login = (password: string) =>
        skopeo(
          'login',
          '--tls-verify=false',
          '--authfile',
          scratch.join('skopeo.json'),
          '-u',
          'ci',
          '-p',
          password,
          server.host,
        )
      expect((await login('wrong')).stderr).toContain('invalid username/password')
      expect((await login(key)).code).toBe(0)
      const layout = `oci:${writeLayout(scratch.join('skopeo'), { 1: image('login-skopeo') })}:1`
      const copy = (to: string) =>
        skopeo(
          'copy',
          '--dest-tls-verify=false',
          '--authfile',
          scratch.join('skopeo.json'),
          layout,
          `docker://${server.host}/${to}`,
        )
      expect((await copy('team/skopeo:1')).code).toBe(0)
      expect((await copy('other/skopeo:1')).stderr).toMatch(/denied|403|forbidden/i)
    })
  })

  describeWith({ tools: ['podman'], root: true }, 'podman', () => {
    test('logs in, pushes and pulls', async () => {
      await using podman = new ContainersStorage('podman')
      const name = `${server.host}/team/podman:1`
      writeDockerArchive(scratch.join('podman.tar'), name, [
        tar(tarFile('f', randomBytesOf('podman', 50_000))),
      ])
      await podman.run('load', '-i', scratch.join('podman.tar'))
      const flags = ['--tls-verify=false', '--authfile', scratch.write('podman.json', '{}')]
      await expect(podman.run('push', ...flags, name)).rejects.toThrow(/unauthorized|authentication required/)
      await podman.run('login', ...flags, '-u', 'ci', '-p', key, server.host)
      await podman.run('push', ...flags, name)
      await podman.run('rmi', name)
      await podman.run('pull', ...flags, name)
    })
  })

  describeWith({ tools: ['docker', 'dockerd'], root: true }, 'Docker Engine', () => {
    test('logs in right and wrong, pushes, and is refused after its key was renewed', async () => {
      await using engine = await Dockerd.start()
      const name = `${server.host}/team/docker:1`
      writeDockerArchive(scratch.join('docker.tar'), name, [
        tar(tarFile('f', randomBytesOf('docker', 50_000))),
      ])
      await engine.docker('load', '-i', scratch.join('docker.tar'))
      const config = ['--config', scratch.folder('docker')]
      await expect(engine.docker(...config, 'push', name)).rejects.toThrow(
        /no basic auth|unauthorized|authentication required/,
      )
      await expect(engine.docker(...config, 'login', '-u', 'ci', '-p', 'wrong', server.host)).rejects.toThrow(
        /unauthorized|401|authentication required/i,
      )
      await engine.docker(...config, 'login', '-u', 'ci', '-p', key, server.host)
      await engine.docker(...config, 'push', name)
      await engine.docker('image', 'rm', name)
      await engine.docker(...config, 'pull', name)

      await longshore('robot add old --may pull --on team/**')
      const renewed = JSON.parse(await longshore('robot renew old --json')).key
      await engine.docker(...config, 'login', '-u', 'old', '-p', renewed, server.host)
      await longshore('robot remove old')
      // What was remembered of it is forgotten within a minute.
      await expect
        .poll(() => engine.docker(...config, 'pull', name).then(() => 'pulled', String), {
          timeout: 90_000,
          interval: 5_000,
        })
        .toMatch(/unauthorized|authentication required|denied/)
    })
  })

  describeWith({ tools: ['containerd', 'ctr'], root: true }, "containerd's ctr", () => {
    test('pushes and pulls with a key', async () => {
      await using containerd = await Containerd.start()
      const name = `${server.host}/team/ctr:1`
      const archive = writeLayoutArchive(scratch.join('ctr.tar'), { 1: image('login-ctr') })
      await containerd.images('import', '--base-name', `${server.host}/team/ctr`, '--no-unpack', archive)
      await expect(containerd.images('push', '--plain-http', name)).rejects.toThrow(
        /401|unauthorized|authorization failed/i,
      )
      await containerd.images('push', '--plain-http', '--user', `ci:${key}`, name)
      await containerd.images('rm', '--sync', name)
      await containerd.images('pull', '--plain-http', '--user', `ci:${key}`, '--snapshotter', 'native', name)
    })
  })

  test('writes no secret into the log', () => {
    for (const secret of [PASSWORD, key, Buffer.from(`ann:${PASSWORD}`).toString('base64')])
      expect(server.logs).not.toContain(secret)
    expect(server.logs).not.toMatch(/eyJhbGciOi|proof=|Bearer |Basic /)
  })
})
