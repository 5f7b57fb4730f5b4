import type { Brand } from './brand.ts'
import { RegistryError } from './errors.ts'

/** `sha256:<64 hex>` or `sha512:<128 hex>`, lower case. Only {@link parseDigest} and {@link digestOf} create one. */
export type Digest = Brand<string, 'Digest'>

/** The algorithms that the image spec registers. A client can request no other. */
export type Algorithm = 'sha256' | 'sha512'

const DIGEST = /^(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/

/** @throws {RegistryError} DIGEST_INVALID for an unknown algorithm, a wrong length or upper-case hex digits */
export function parseDigest(text: string): Digest {
  if (!DIGEST.test(text)) {
    const message = 'a digest must be sha256:<64 hex digits> or sha512:<128 hex digits>, in lower case'
    throw new RegistryError('DIGEST_INVALID', { message, detail: { digest: text } })
  }
  return text as Digest
}

/** @throws {RegistryError} DIGEST_INVALID for any other text than `sha256` and `sha512` */
export function parseAlgorithm(text: string): Algorithm {
  if (text !== 'sha256' && text !== 'sha512')
    throw new RegistryError('DIGEST_INVALID', {
      message: 'the digest algorithm must be sha256 or sha512',
      detail: { algorithm: text, supported: ['sha256', 'sha512'] },
    })
  return text
}

export function algorithmOf(digest: Digest): Algorithm {
  return digest.startsWith('sha256:') ? 'sha256' : 'sha512'
}

/** The part after the algorithm and the colon. */
export function hexOf(digest: Digest): string {
  return digest.slice(digest.indexOf(':') + 1)
}

/** Joins an algorithm and a hash in hex. The hash is not checked: it must be the output of that algorithm. */
export function digestOf(algorithm: Algorithm, hex: string): Digest {
  return `${algorithm}:${hex}` as Digest
}
