import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { run } from '../support/command.ts'
import { image, multiArchitecture } from '../support/images.ts'
import { missingFrom } from '../support/layout-reader.ts'
import { writeLayout } from '../support/oci-layout.ts'
import { randomBytesOf } from '../support/random-bytes.ts'
import { describeWith, findTool } from '../support/requirements.ts'
import { TempDir } from '../support/temp-dir.ts'
import { Cloud } from './emulator/cloud.ts'
import { describeInCloud } from './requirements.ts'

const MiB = 2 ** 20

for (const pull of ['s3', 'edge'] as const)
  describeInCloud({}, `with pull=${pull}`, () => {
    const scratch = new TempDir()
    let cloud: Cloud
    beforeAll(async () => {
      cloud = await Cloud.start({ pull })
    })
    afterAll(async () => {
      await cloud?.stop()
      scratch.remove()
    })

    describeWith({ tools: ['crane'] }, 'crane', () => {
      const crane = (...args: string[]) => run(findTool('crane') ?? 'crane', args)

      it.each([
        ['an image', image('cloud-crane', { layers: 3, layerSize: MiB })],
        ['an index', multiArchitecture('cloud-crane')],
      ])('pulls %s unchanged', async (what, pushed) => {
        const name = `${cloud.host}/crane/${what.slice(-5)}:1`
        await crane('push', writeLayout(scratch.join(what), { 1: pushed }), name)
        await crane('pull', '--format=oci', name, scratch.join(`${what} back`))

        expect((await crane('digest', name)).trim()).toBe(pushed.manifest.digest)
        expect(missingFrom(scratch.join(`${what} back`), pushed)).toEqual([])
      })
    })

    describeWith({ tools: ['oras'] }, 'oras', () => {
      const oras = (...args: string[]) => run(findTool('oras') ?? 'oras', args, { cwd: scratch.path })

      it('pushes and pulls a file of 20 MiB without sending it through Lambda', async () => {
        const bytes = randomBytesOf('oras', 20 * MiB)
        scratch.write('file.bin', bytes)
        const name = `${cloud.host}/oras/file:1`
        const before = cloud.gateway.bodies.length
        await oras('push', '--plain-http', name, 'file.bin')
        await oras('pull', '--plain-http', '-o', 'back', name)

        expect(readFileSync(scratch.join('back/file.bin')).equals(bytes)).toBe(true)
        expect(Math.max(...cloud.gateway.bodies.slice(before))).toBeLessThan(MiB)
      })

      it('discovers the referrers of an image', async () => {
        const name = `${cloud.host}/oras/file:1`
        scratch.write('note.txt', 'signed')
        await oras('attach', '--plain-http', '--artifact-type', 'a/note', name, 'note.txt')
        const found = await oras('discover', '--plain-http', '--format', 'json', name)

        expect(found).toContain('a/note')
      })
    })
  })
