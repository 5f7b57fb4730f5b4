import * as v from 'valibot'

/** The first thing that is wrong with a document, for people: where it is, and what. @param whole what the document is called */
export function formatIssue([issue]: readonly [v.BaseIssue<unknown>, ...unknown[]], whole: string): string {
  return `${v.getDotPath(issue) ?? whole}: ${problem(issue)}`
}

/** Of parts that are missing or strange the library speaks in its own words. */
function problem({ type, expected, received, message }: v.BaseIssue<unknown>): string {
  if (type !== 'strict_object') return message
  if (expected === 'never') return 'is not known here'
  return received === 'undefined' ? 'is missing' : message
}
