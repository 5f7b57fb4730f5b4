import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { run } from '../support/command.ts'
import { Containerd } from '../support/containerd.ts'
import { image } from '../support/images.ts'
import { LocalServer } from '../support/local-server.ts'
import { writeLayoutArchive } from '../support/oci-layout.ts'
import { describeWith } from '../support/requirements.ts'
import { TempDir } from '../support/temp-dir.ts'

const EXAMPLE = readFileSync(new URL('../../examples/containerd/hosts.toml', import.meta.url), 'utf8')
const NEW_CERTIFICATE = 'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1'
const FOR_LOCALHOST = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost']

describeWith(
  { tools: ['containerd', 'ctr', 'openssl'], root: true, linux: true },
  'containerd with the example hosts.toml',
  () => {
    const scratch = new TempDir('longshore-hosts-')
    let containerd: Containerd
    let server: LocalServer

    beforeAll(async () => {
      const tls = { cert: scratch.join('ca.crt'), key: scratch.join('server.key') }
      const files = ['-out', tls.cert, '-keyout', tls.key]
      await run('openssl', [...NEW_CERTIFICATE.split(' '), ...FOR_LOCALHOST, ...files])
      server = await LocalServer.start({ tls })
      containerd = await Containerd.start()
      const text = EXAMPLE.replaceAll('https://registry.example', server.url)
      writeHosts('certs.d', text.replace(/"\/etc\/containerd\/.*ca\.crt"/, JSON.stringify(tls.cert)))
      writeHosts('no-ca.d', text.replace(/^.*ca\.crt"$/m, ''))
    })

    function writeHosts(folder: string, text: string): void {
      scratch.folder(`${folder}/${server.host}`)
      scratch.write(`${folder}/${server.host}/hosts.toml`, text)
    }

    afterAll(async () => {
      await containerd?.stop()
      await server?.stop()
      scratch.remove()
    })

    test('pushes to and pulls from a registry whose certificate authority the example names', async () => {
      const name = `${server.host}/hosts/app:1`
      const hosts = ['--hosts-dir', scratch.join('certs.d')]
      const archive = writeLayoutArchive(scratch.join('app.tar'), { 1: image('hosts') })
      await containerd.images('import', '--base-name', `${server.host}/hosts/app`, '--no-unpack', archive)

      await containerd.images('push', ...hosts, name)
      await containerd.images('rm', '--sync', name)
      await containerd.images('pull', ...hosts, '--snapshotter', 'native', name)

      expect(await containerd.images('ls', '-q')).toContain(name)
    })

    // This shows that the example needs the line.
    test('refuses the registry without the line that names the certificate', async () => {
      const hosts = ['--hosts-dir', scratch.join('no-ca.d')]
      const pulled = containerd.images(
        'pull',
        ...hosts,
        '--snapshotter',
        'native',
        `${server.host}/hosts/app:1`,
      )
      await expect(pulled).rejects.toThrow(/certificate/)
    })
  },
)
