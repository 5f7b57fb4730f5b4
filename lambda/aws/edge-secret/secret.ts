import * as v from 'valibot'

/** 32 random bytes in base64url: 43 characters, which are used as the key without decoding. */
const KEY = v.pipe(v.string(), v.regex(/^[\w-]{43}$/))

const SCHEMA = v.object({
  /** Keys of signed URLs for uploads and pulls: the current one, and the previous one for URLs that it has signed. */
  edgeKeys: v.pipe(v.array(KEY), v.minLength(1), v.maxLength(2)),
  /** Keys of access tokens and upload tokens, in the same order. The edge does not have them. */
  tokenKeys: v.pipe(v.array(KEY), v.minLength(1), v.maxLength(2)),
  /** The generation of each key, in the same order. */
  generations: v.pipe(v.array(v.string()), v.minLength(1), v.maxLength(2)),
  /** The edge header, which proves to the API that a request came through CloudFront. */
  header: KEY,
})

/** The secret that edge and API share, as it is stored. */
export type Secret = v.InferOutput<typeof SCHEMA>

/** @throws {Error} when the stored value is not a secret of a registry; the message does not contain it */
export function parseSecret(text: string): Secret {
  const result = v.safeParse(v.pipe(v.string(), v.parseJson(), SCHEMA), text)
  if (!result.success)
    throw new Error(
      'the SSM parameter holds something other than the secret of a Longshore registry; it was not changed',
    )
  return result.output
}

/**
 * The secret with the key of `generation` first. A generation whose key still exists keeps that key, so that a
 * deployment which is rolled back or repeated ends with the same keys.
 */
export function withGeneration(secret: Secret | undefined, generation: string, random: () => string): Secret {
  if (!secret)
    return { edgeKeys: [random()], tokenKeys: [random()], generations: [generation], header: random() }
  const at = secret.generations.indexOf(generation)
  if (at === 0) return secret
  const { edgeKeys, tokenKeys, generations } = secret
  return {
    ...secret,
    edgeKeys: [edgeKeys[at] ?? random(), edgeKeys[0] ?? ''],
    tokenKeys: [tokenKeys[at] ?? random(), tokenKeys[0] ?? ''],
    generations: [generation, generations[0] ?? ''],
  }
}
