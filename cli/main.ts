import { CliError } from './cli-error.ts'
import type { Io } from './io.ts'
import { createProgram, exitCodeOf, expandHelp } from './program.ts'

/**
 * Runs one command of `longshore`. It never ends the process, and accesses it only through `io`.
 * @param argv the arguments after the program's name
 * @returns the exit code: 0 success, 1 refused or not found, 2 wrong usage, 130 interrupted
 */
export async function run(argv: readonly string[], io: Io): Promise<number> {
  // The server parses its own command line: it has flags such as --data too.
  const [first, second] = argv
  if (first === 'serve') return io.serve(argv.slice(1))
  if (first === 'help' && second === 'serve') return io.serve(['--help'])
  const program = createProgram(io)
  try {
    await program.parseAsync(expandHelp(program, argv), { from: 'user' })
    return 0
  } catch (error) {
    const code = exitCodeOf(error)
    if (code !== undefined) return code
    return report('longshore', error, io)
  }
}

/** Prints an error after the program's name. An unexpected error is printed with its stack. @returns the exit code */
export function report(program: string, error: unknown, io: Pick<Io, 'stderr'>): number {
  if (error instanceof CliError) {
    io.stderr.write(`${program}: ${error.message}\n`)
    return error.exitCode
  }
  io.stderr.write(`${program}: internal error: ${error instanceof Error ? error.stack : error}\n`)
  return 1
}
