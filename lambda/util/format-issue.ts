import * as v from 'valibot'

/** Formats the first issue of a document as `<path>: <problem>`. @param whole the name of the document itself */
export function formatIssue([issue]: readonly [v.BaseIssue<unknown>, ...unknown[]], whole: string): string {
  return `${v.getDotPath(issue) ?? whole}: ${problem(issue)}`
}

/** Replaces the library's messages about missing and unknown fields. */
function problem({ type, expected, received, message }: v.BaseIssue<unknown>): string {
  if (type !== 'strict_object') return message
  if (expected === 'never') return 'is not known here'
  return received === 'undefined' ? 'is missing' : message
}
