import * as v from 'valibot'

/** 32 bytes of chance in base64url: 43 characters, which serve as they are, without decoding. */
const KEY = v.pipe(v.string(), v.regex(/^[\w-]{43}$/))

const SCHEMA = v.object({
  /** Sign the links of uploads and pulls: the current key, and the one before it while links of its time are out. */
  edgeKeys: v.pipe(v.array(KEY), v.minLength(1), v.maxLength(2)),
  /** Sign tokens, and the proofs in upload URLs: the edge does not have them. In the same order. */
  tokenKeys: v.pipe(v.array(KEY), v.minLength(1), v.maxLength(2)),
  /** What each of the keys was made for, in the same order. */
  generations: v.pipe(v.array(v.string()), v.minLength(1), v.maxLength(2)),
  /** By this the API knows that a request comes from the edge. */
  header: KEY,
})

/** What edge and API share, as it is stored. The API reads of it what it needs. */
export type Secret = v.InferOutput<typeof SCHEMA>

/** @throws {Error} when something else is stored there; the message does not repeat it */
export function parseSecret(text: string): Secret {
  const result = v.safeParse(v.pipe(v.string(), v.parseJson(), SCHEMA), text)
  if (!result.success) throw new Error('what is stored is not a secret of ours, and is left as it is')
  return result.output
}

/**
 * The secret with the key of `generation` in front. Asking again for a generation that is still there brings its key back rather than
 * a new one, so that a deployment which is rolled back, or told twice, ends with what it began with.
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
