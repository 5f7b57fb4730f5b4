/** The fields of manifests and descriptors that Go clients decode into an integer. */
const FIELDS = ['size', 'schemaVersion']

/** The value that replaces a wrong number. None of the fields may have it. */
const INVALID = '-1'

/** JSON may write each letter of a name as an escape: `"s\u0069ze"` is `size`. */
const NAMES = FIELDS.map(field => [...field].map(letterOrEscape).join('')).join('|')

/**
 * A member with one of the names, and a number that is not written in digits alone. In valid JSON the first quote
 * begins a string: an escaped quote follows a backslash, and no name follows the quote that ends a string.
 */
const WRONG_MEMBER = new RegExp(
  [
    String.raw`(?<!\\)("(?:${NAMES})"\s*:\s*)`,
    String.raw`(?!\d+\s*[,}])`,
    String.raw`-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?(?=\s*[,}])`,
  ].join(''),
  'g',
)

/**
 * Replaces each number of an integer field that is not written in digits alone, such as `3.0`, `3e0` or `-0`, with -1.
 * Go's decoder rejects such a number, and with it the manifest, but `JSON.parse` does not distinguish it from `3`. A
 * number replaces a number, so invalid JSON stays invalid. The reviver of `JSON.parse` can see the source of a number
 * too, but takes 0.2 seconds for a manifest of 4 MiB, and 9 seconds for the worst one. This takes 4 milliseconds, and
 * at most as long as `JSON.parse`.
 */
export function invalidateNonIntegers(json: string): string {
  return json.replace(WRONG_MEMBER, `$1${INVALID}`)
}

function letterOrEscape(letter: string): string {
  const [high = '', low = ''] = letter.charCodeAt(0).toString(16)
  return String.raw`(?:${letter}|\\u00${high}[${low}${low.toUpperCase()}])`
}
