import { copyFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import about from '../../package.json' with { type: 'json' }
import { attempt } from '../support/command.ts'
import { TempDir } from '../support/temp-dir.ts'

/** Makes Node report an older version. */
const PRETEND =
  'data:text/javascript,Object.defineProperty(process, "versions", { value: { node: "20.1.0" } })'

const launch = (script: string) => attempt(process.execPath, ['--import', PRETEND, script, '--version'])

it('runs the program with the Node that was installed as a package', async () => {
  expect(await launch(about.bin.longshore)).toEqual({ code: 0, stdout: `${about.version}\n`, stderr: '' })
})

it('names the required Node.js, the version that it found, and two ways to get the required one', async () => {
  using scratch = new TempDir()
  scratch.write('package.json', '{"type":"module"}')
  scratch.folder('cli')
  for (const name of ['longshore.js', 'launch.js']) copyFileSync(`cli/${name}`, scratch.join('cli', name))

  const { code, stdout, stderr } = await launch(scratch.join('cli/longshore.js'))

  expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
  expect(stderr).toMatch(/^longshore: Node\.js 24 or newer is required, but this is Node\.js 20\.1\.0\./)
  expect(stderr).toMatch(/Run "npm ci".*Linux x64 and arm64 \(glibc\), macOS and Windows x64/s)
  expect(stderr).toMatch(/Install Node\.js 24 \(https:\/\/nodejs\.org\)/)
})
