/** 1: the registry refused the request, or something was not found. 2: wrong usage. 130: interrupted by Ctrl-C. */
type ExitCode = 1 | 2 | 130

/** A command failed. The message is printed to standard error. */
export class CliError extends Error {
  override readonly name = 'CliError'
  readonly exitCode: ExitCode
  constructor(message: string, exitCode: ExitCode = 1) {
    super(message)
    this.exitCode = exitCode
  }
}
