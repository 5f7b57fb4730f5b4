import fc from 'fast-check'
import { expect, it } from 'vitest'
import { match } from '../../lambda/http/router.ts'
import { parseRepositoryName } from '../../lambda/protocol/name.ts'
import { blobPath, manifestPath, uploadPath } from '../../lambda/protocol/paths.ts'
import { parseUploadId } from '../../lambda/protocol/reference.ts'
import { routes } from '../../lambda/routes/index.ts'
import { anyDigest, repositoryName, uploadId } from '../support/arbitraries.ts'

const name = repositoryName.map(parseRepositoryName)
const id = uploadId.map(parseUploadId)
const paramsOf = (path: string) => match(routes, 'GET', path).params

it('the path of a blob is routed to the blob', () => {
  fc.assert(
    fc.property(name, anyDigest, (name, digest) => {
      expect(paramsOf(blobPath(name, digest))).toEqual({ name, digest })
    }),
  )
})

it('the path of a manifest is routed to the manifest', () => {
  fc.assert(
    fc.property(name, anyDigest, (name, digest) => {
      expect(paramsOf(manifestPath(name, digest))).toEqual({ name, existing: { kind: 'digest', digest } })
    }),
  )
})

it('the path of an upload session is routed to the session', () => {
  fc.assert(
    fc.property(name, id, (name, upload) => {
      expect(paramsOf(uploadPath({ name, upload }))).toEqual({ name, upload })
    }),
  )
})

it('a path contains no character that a client would escape', () => {
  fc.assert(
    fc.property(name, anyDigest, id, (name, digest, upload) => {
      for (const path of [blobPath(name, digest), manifestPath(name, digest), uploadPath({ name, upload })])
        expect(new URL(path, 'http://registry').pathname).toBe(path)
    }),
  )
})
