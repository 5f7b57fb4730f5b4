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

/** Replaces valibot's messages about missing and unknown fields. */
function problem({ type, expected, received, message }: v.BaseIssue<unknown>): string {
  if (type !== 'strict_object') return message
  if (expected === 'never') return 'unknown field'
  return received === 'undefined' ? 'is missing' : message
}
