import * as v from 'valibot'

/**
 * Formats the first validation issue of a document as `<path>: <problem>`.
 * @param documentName replaces the path of an issue that concerns the document itself
 */
export function formatIssue(
  [issue]: readonly [v.BaseIssue<unknown>, ...unknown[]],
  documentName: string,
): string {
  return `${v.getDotPath(issue) ?? documentName}: ${problem(issue)}`
}

const EXPECTED: Readonly<Record<string, string>> = {
  array: 'must be an array',
  boolean: 'must be true or false',
  number: 'must be a number',
  object: 'must be an object',
  parse_json: 'must be valid JSON',
  record: 'must be an object',
  strict_object: 'must be an object',
  string: 'must be a string',
}

/** Replaces valibot's own messages, which contain the received value. The messages of our schemas stay. */
function problem({ type, expected, received, requirement, message }: v.BaseIssue<unknown>): string {
  if (type === 'strict_object' && expected === 'never') return 'unknown field'
  if (type === 'strict_object' && received === 'undefined') return 'is missing'
  if (!message.startsWith('Invalid ')) return message
  if (type === 'max_length') return `must have at most ${requirement} entries`
  return EXPECTED[type] ?? message
}
