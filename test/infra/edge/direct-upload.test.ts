import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseRepositoryName } from '../../../lambda/protocol/name.ts'
import { repositoryName, uploadId } from '../../support/arbitraries.ts'
import type { HeaderList } from '../../support/edge-event.ts'
import { runs } from '../../support/property-runs.ts'
import { edit, FOREIGN, isEquivalent } from './altered-requests.ts'
import {
  CHECKSUM,
  DIGEST,
  decide,
  direct,
  expectRefusal,
  HEX,
  ID,
  KEY,
  MiB,
  NOW,
  OTHER_KEY,
  pullTarget,
  roadOf,
  SOON,
  sent,
  sized,
  uploadPath,
  uploadTarget,
} from './fixture.ts'

describe('a whole blob in one PUT on a signed upload URL', () => {
  it('is forwarded to the bucket, under the name of its session and repository', async () => {
    const decision = await decide('PUT', uploadTarget(), sized(2 * MiB))

    expect(roadOf(decision)).toBe('bucket')
    expect(sent(decision)).toMatchObject({ uri: `/direct/${ID}/team/app`, querystring: {} })
  })

  it('has headers that make S3 verify the digest and not overwrite an object', async () => {
    const request = sent(await decide('PUT', uploadTarget(), sized(2 * MiB)))

    expect(request.headers).toEqual({
      'content-length': { value: String(2 * MiB) },
      'content-type': { value: 'application/octet-stream' },
      'if-none-match': { value: '*' },
      'x-amz-checksum-sha256': { value: CHECKSUM },
    })
  })

  it('has no other headers and cookies of the client', async () => {
    const headers: HeaderList = [...sized(2 * MiB), ['Host', 'r.example'], ['Via', '1.1 proxy'], ...FOREIGN]

    const request = sent(await decide('PUT', uploadTarget(), headers))

    expect(Object.keys(request.headers).sort()).toEqual([
      'content-length',
      'content-type',
      'host',
      'if-none-match',
      'via',
      'x-amz-checksum-sha256',
    ])
    expect(request.headers['x-amz-checksum-sha256']).toEqual({ value: CHECKSUM })
    expect(request.cookies).toEqual({})
  })

  it.each([
    ['digest appended with a second ?', `${uploadPath()}?${direct()}?digest=${DIGEST}`],
    ['slash at the end of its path', `${uploadPath()}/?${direct()}&digest=${DIGEST}`],
  ])('may have a %s', async (_, target) => {
    const decision = await decide('PUT', target, sized(2 * MiB))

    expect(roadOf(decision)).toBe('bucket')
    expect(sent(decision).uri).toBe(`/direct/${ID}/team/app`)
  })

  it('may have a digest that is not percent-encoded, and a parameter that containerd adds', async () => {
    const target = `${uploadPath()}?${direct()}&digest=${DIGEST}&ns=registry.example`

    expect(roadOf(await decide('PUT', target, sized(2 * MiB)))).toBe('bucket')
  })

  it('is accepted for any order and percent-encoding of the query', async () => {
    const encoded = fc.integer({ min: 0, max: 2 ** 32 - 1 }).map(
      seed => (text: string) =>
        [...text]
          .map((character, at) => {
            const hex = character.charCodeAt(0).toString(16)
            return ((seed >> (at % 32)) & 1) === 0
              ? character
              : `%${(seed & 1) === 0 ? hex : hex.toUpperCase()}`
          })
          .join(''),
    )
    const others = fc.subarray(['ns=r.example', 'x', 'y=', 'direction=1', 'x=%zz'])
    const query = (parameters: string[]) => fc.shuffledSubarray(parameters, { minLength: parameters.length })
    const upload = fc.record({
      id: uploadId,
      name: repositoryName,
      expires: fc.integer({ min: NOW + 1, max: 1e12 - 1 }),
    })
    const request = upload.chain(signed =>
      fc
        .tuple(encoded, others)
        .chain(([encode, more]) => {
          const known = [direct(signed), `digest=${DIGEST}`].map(one => one.split('=').map(encode).join('='))
          return query([...known, ...more])
        })
        .map(parameters => ({ ...signed, parameters })),
    )
    await fc.assert(
      fc.asyncProperty(request, async ({ id, name, parameters }) => {
        const decision = await decide(
          'PUT',
          `${uploadPath(name, id)}?${parameters.join('&')}`,
          sized(2 * MiB),
        )

        expect(roadOf(decision)).toBe('bucket')
        expect(sent(decision).uri).toBe(`/direct/${id}/${name}`)
        expect(sent(decision).headers['x-amz-checksum-sha256']).toEqual({ value: CHECKSUM })
      }),
    )
  })

  it('has the checksum of the digest in its query, for any digest', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ minLength: 32, maxLength: 32 }), async bytes => {
        const digest = `sha256:${Buffer.from(bytes).toString('hex')}`

        const request = sent(await decide('PUT', uploadTarget({}, digest), sized(2 * MiB)))

        const checksum = request.headers['x-amz-checksum-sha256']?.value ?? ''
        expect(Buffer.from(checksum, 'base64')).toEqual(Buffer.from(bytes))
      }),
    )
  })

  it('may be signed with the previous key', async () => {
    const items = { keys: `${OTHER_KEY},${KEY}` }

    expect(roadOf(await decide('PUT', uploadTarget(), sized(2 * MiB), { items }))).toBe('bucket')
    expect(roadOf(await decide('PUT', uploadTarget({ key: OTHER_KEY }), sized(2 * MiB), { items }))).toBe(
      'bucket',
    )
  })

  it('is accepted exactly for valid repository names', async () => {
    const names = fc.oneof(
      repositoryName,
      fc.string({ unit: fc.constantFrom(...'aaaa09Z/._-'), minLength: 1, maxLength: 12 }),
      fc.integer({ min: 250, max: 260 }).map(length => 'a'.repeat(length)),
    )
    await fc.assert(
      fc.asyncProperty(names, async name => {
        const origin = roadOf(await decide('PUT', uploadTarget({ name }), sized(2 * MiB)))

        expect(origin === 'bucket').toBe(isName(name))
      }),
    )
  })
})

describe('a refused upload URL', () => {
  it.each([
    ['was signed with another key', uploadTarget({ key: OTHER_KEY })],
    ['has expired', uploadTarget({ expires: NOW })],
    ['was signed for another repository', `${uploadPath('team/other')}?${direct()}&digest=${DIGEST}`],
    [
      'was signed for another session',
      `${uploadPath('team/app', ID.replace('6', '7'))}?${direct()}&digest=${DIGEST}`,
    ],
    ['has an altered expiry', uploadTarget().replace(String(SOON), String(SOON + 1))],
    [
      'carries the signature of a pull',
      `${uploadPath()}?direct=${pullTarget().split('/')[2]}&digest=${DIGEST}`,
    ],
    ['has two signatures, one of them valid', `${uploadTarget()}&direct=1.${'A'.repeat(43)}`],
    ['has its signature twice', `${uploadTarget()}&${direct()}`],
    ['has an empty signature', `${uploadPath()}?direct=&digest=${DIGEST}`],
    ['has a signature without a value', `${uploadPath()}?direct&digest=${DIGEST}`],
    ['has a signature with malformed percent-encoding', `${uploadPath()}?direct=%zz&digest=${DIGEST}`],
    ['has a line break after its signature', `${uploadPath()}?${direct()}%0A&digest=${DIGEST}`],
    ['is encoded twice', `${uploadPath()}?${direct().replace('.', '%252E')}&digest=${DIGEST}`],
  ])('%s', async (_, target) => {
    expectRefusal(await decide('PUT', target, sized(2 * MiB)), 'BLOB_UPLOAD_UNKNOWN')
  })

  it.each([
    ['no digest', `${uploadPath()}?${direct()}`],
    ['an empty digest', uploadTarget({}, '')],
    ['a digest in upper case', uploadTarget({}, `sha256:${HEX.toUpperCase()}`)],
    ['a digest that is too short', uploadTarget({}, DIGEST.slice(0, -1))],
    ['a digest that is too long', uploadTarget({}, `${DIGEST}0`)],
    ['a digest with a line break', uploadTarget({}, `${DIGEST}%0A`)],
    ['an unknown algorithm', uploadTarget({}, `md5:${HEX}`)],
    ['two digests', `${uploadTarget()}&digest=sha256:${HEX.replace('e', '0')}`],
    ['a digest encoded twice', uploadTarget({}, DIGEST.replace(':', '%253A'))],
    ['malformed percent-encoding', uploadTarget({}, DIGEST.replace(':', '%3'))],
  ])('has %s', async (_, target) => {
    expectRefusal(await decide('PUT', target, sized(2 * MiB)), 'DIGEST_INVALID')
  })

  it('never reaches the bucket when a signed part was altered', async () => {
    const target = uploadTarget()
    await fc.assert(
      fc.asyncProperty(edit(target), async altered => {
        fc.pre(!isEquivalent(altered, target))

        expect(roadOf(await decide('PUT', altered, sized(2 * MiB)))).not.toBe('bucket')
      }),
      { numRuns: runs(300) },
    )
  })
})

function isName(text: string): boolean {
  try {
    parseRepositoryName(text)
    return true
  } catch {
    return false
  }
}
