/** Exit codes: `EX_USAGE` of sysexits(3), and 1 for other failures. */
const CODES = { usage: 64, failure: 1 } as const

/** The reason why the server cannot start, in one line for its operator. */
export class StartError extends Error {
  override readonly name = 'StartError'
  readonly exitCode: number
  /** @param kind `usage`: another command line would work; `failure`: something outside the process must change */
  constructor(kind: keyof typeof CODES, message: string) {
    super(message)
    this.exitCode = CODES[kind]
  }
}

/** The first line of an error's message. */
export function errorReason(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error)
  return text.split('\n', 1)[0] ?? text
}
