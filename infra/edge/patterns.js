// Forms that the edge shares with the API: lambda/protocol/name.ts, digest.ts and reference.ts. `$` also matches before a final line
// break, so texts are first reduced to printable ASCII.

const COMPONENT = '[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*'
export const NAME = `${COMPONENT}(?:/${COMPONENT})*`
export const ID = '[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}'
export const DIGEST = 'sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}'
export const ANY_DIGEST = new RegExp(`^(?:${DIGEST})$`)

/** Undefined if the text is malformed or has other characters than printable ASCII. */
export function decode(text) {
  try {
    const plain = decodeURIComponent(text)
    return /[^!-~]/.test(plain) ? undefined : plain
  } catch (_) {
    return undefined
  }
}
