import { text } from 'node:stream/consumers'
import { awsPassword, findCredentials } from './aws-password.ts'
import { Failure } from './failure.ts'
import { hostOf } from './origin.ts'

/*
 * docker-credential-longshore: makes Docker, podman and all that read Docker's configuration log in by one's credentials of AWS.
 * It keeps nothing. What it is asked, and how: the credential helpers' protocol of Docker.
 */

/** By these words clients know that there is no login, and go on without one. */
const NOT_FOUND = 'credentials not found in native keychain'

const [, , verb = ''] = process.argv
try {
  await answer(verb)
} catch (error) {
  if (!(error instanceof Failure)) throw error
  console.error(`docker-credential-longshore: ${error.message}`)
  console.log(NOT_FOUND)
  process.exitCode = 1
}

async function answer(verb: string): Promise<void> {
  switch (verb) {
    case 'get': {
      const said = (await text(process.stdin)).trim()
      const signing = { registry: hostOf(said), ...(await findCredentials()), now: new Date() }
      console.log(JSON.stringify({ ServerURL: said, Username: 'aws', Secret: await awsPassword(signing) }))
      return
    }
    case 'list':
      console.log('{}')
      return
    // Whoever logs in or out with Docker's own command means something that is kept, and nothing is.
    case 'store':
    case 'erase':
      await text(process.stdin)
      return
    default:
      console.error('Usage: docker-credential-longshore get|store|erase|list (see docs/access.md)')
      process.exitCode = 2
  }
}
