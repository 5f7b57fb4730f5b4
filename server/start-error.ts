/** Exit codes of sysexits(3) and of habit. */
const CODES = { usage: 64, failure: 1 } as const

/** Why the server cannot start, in one line for the person at the terminal. */
export class StartError extends Error {
  override readonly name = 'StartError'
  readonly exitCode: number
  /** `usage`: another command line would work. `failure`: something around us must change. */
  constructor(kind: keyof typeof CODES, message: string) {
    super(message)
    this.exitCode = CODES[kind]
  }
}

/** What went wrong, without the words that Node puts around it for programs: `ENOENT: no such file or directory, open '…'`. */
export function errorReason(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error)
  return text.split('\n', 1)[0] ?? text
}
