/** The first version whose `node:sqlite` needs no flag. */
const REQUIRED = [22, 13] as const

/**
 * Checks the version of Node, then runs a program of the package. The program is imported only afterwards, because an
 * older Node cannot load it.
 * @param load imports and runs the program
 */
export async function launch(load: () => Promise<unknown>): Promise<void> {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  if (major < REQUIRED[0] || (major === REQUIRED[0] && minor < REQUIRED[1])) {
    const required = REQUIRED.join('.')
    console.error(`longshore: Node.js ${required} or newer is required, but this is ${process.versions.node}`)
    process.exitCode = 1
    return
  }
  hideSqliteWarning()
  await load()
}

/** Node 22 warns that SQLite is experimental. The warning would be the only line of the log that is not JSON. */
function hideSqliteWarning(): void {
  const emit = process.emitWarning.bind(process) as (...args: unknown[]) => void
  process.emitWarning = (...args: unknown[]) => {
    if (!String(args[0]).startsWith('SQLite is an experimental feature')) emit(...args)
  }
}
