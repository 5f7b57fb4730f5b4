import { text } from 'node:stream/consumers'
import { awsPassword } from './aws-password.ts'
import { CliError } from './cli-error.ts'
import type { Io } from './io.ts'
import { report } from './main.ts'
import { registryHost } from './origin.ts'

const NAME = 'docker-credential-longshore'
/**
 * Clients recognize this text and continue without a login (github.com/docker/docker-credential-helpers,
 * `credentials/error.go`).
 */
const NOT_FOUND = 'credentials not found in native keychain'

/**
 * Runs a verb of Docker's credential helper protocol. With this helper, Docker, podman and other clients that read
 * Docker's configuration log in with your AWS credentials. It stores nothing.
 * @returns the exit code
 */
export async function run([verb = '']: readonly string[], io: Io): Promise<number> {
  switch (verb) {
    case 'get':
      return getLogin(io)
    case 'list':
      io.stdout.write('{}\n')
      return 0
    // `docker login` and `docker logout` call these verbs to store and remove a password. This helper stores none.
    case 'store':
    case 'erase':
      await text(io.stdin)
      return 0
    default:
      io.stderr.write(`${NAME}: the verb must be get, store, erase or list (see docs/access.md)\n`)
      return 2
  }
}

async function getLogin(io: Io): Promise<number> {
  try {
    const server = (await text(io.stdin)).trim()
    const signing = { registry: registryHost(server), ...(await io.awsCredentials()), now: new Date() }
    const login = { ServerURL: server, Username: 'aws', Secret: await awsPassword(signing) }
    io.stdout.write(`${JSON.stringify(login)}\n`)
    return 0
  } catch (error) {
    if (error instanceof CliError) io.stdout.write(`${NOT_FOUND}\n`)
    return Math.min(report(NAME, error, io), 1)
  }
}
