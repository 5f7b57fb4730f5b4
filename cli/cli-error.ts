/** 1: the registry refused, or the thing does not exist. 2: wrong usage. 130: interrupted by Ctrl-C. */
type ExitCode = 1 | 2 | 130

/** Why a command failed. The message is for the person at the terminal. */
export class CliError extends Error {
  override readonly name = 'CliError'
  readonly exitCode: ExitCode
  constructor(message: string, exitCode: ExitCode = 1) {
    super(message)
    this.exitCode = exitCode
  }
}
