import { CliError } from './cli-error.ts'
import { readText } from './text-file.ts'

/** @throws {CliError} if the file cannot be read, or with the line and column of a syntax error */
export function readJson(path: string): unknown {
  const text = readText(path)
  const error = syntaxError(text)
  if (error === undefined) return JSON.parse(text)
  const { line, column } = positionOf(text, offsetOf(text, error))
  throw new CliError(`${path}, line ${line}, column ${column}: not valid JSON: ${reasonOf(error)}`)
}

/** @returns V8's message, or undefined for valid JSON */
function syntaxError(text: string): string | undefined {
  try {
    JSON.parse(text)
    return undefined
  } catch (error) {
    return (error as Error).message
  }
}

/**
 * Finds the offset of a syntax error. V8's message contains the position of most errors, but not of an unexpected
 * token. The shortest prefix of the text with that error ends at the token, because shorter ones fail with another
 * error. A binary search finds it.
 */
function offsetOf(text: string, error: string): number {
  const [, position] = /at position (\d+)/.exec(error) ?? []
  if (position !== undefined) return Number(position)
  let [low, high] = [0, text.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if (syntaxError(text.slice(0, middle + 1))?.startsWith('Unexpected token')) high = middle
    else low = middle + 1
  }
  return low
}

/** Both count from 1, as editors do. */
function positionOf(text: string, offset: number): { line: number; column: number } {
  const before = text.slice(0, offset).split('\n')
  return { line: before.length, column: [...(before.at(-1) ?? '')].length + 1 }
}

/** V8's message without the position and the excerpt. */
function reasonOf(error: string): string {
  const [reason = ''] = error.split(/, (?:"|\.{3})| in JSON| at position/)
  return reason.charAt(0).toLowerCase() + reason.slice(1)
}
