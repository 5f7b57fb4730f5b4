import { readFileSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import about from '../../package.json' with { type: 'json' }
import { attempt } from '../support/command.ts'
import { TempDir } from '../support/temp-dir.ts'

let scratch: TempDir
beforeEach(() => {
  scratch = new TempDir('longshore-cli-')
})
afterEach(() => scratch.remove())

const spawn = (words: string, input = '') =>
  attempt(process.execPath, [about.bin.longshore, ...words.split(' ')], {
    input,
    env: { LONGSHORE_REGISTRY: '', LONGSHORE_DATA: scratch.join('data') },
  })

describe('the installed program', () => {
  it('reads a piped password and hashes it at the production cost', async () => {
    const { code, stderr } = await spawn('user add ann', 'correct horse\n')
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(readFileSync(scratch.join('data/registry.sqlite')).includes('$scrypt$ln=15,r=8,p=3$')).toBe(true)
  })

  it('ends with the exit code of the command', async () => {
    expect(await spawn('user list')).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringMatching(/^longshore: there is no registry in /),
    })
  })

  it('runs the server', async () => {
    expect(await spawn('serve --port 65536')).toMatchObject({
      code: 64,
      stderr: expect.stringMatching(/^longshore: --port/),
    })
  })
})
