import { openRegistry } from './ask.ts'
import { awsPassword, findCredentials } from './aws-password.ts'
import type { Input } from './commands.ts'
import { DockerConfig } from './docker-config.ts'
import { Failure } from './failure.ts'
import { hostOf, originOf } from './origin.ts'

/** A command about a registry that it names itself. */
export interface LoginCommand {
  readonly usage: string
  readonly about: string
  readonly login: (input: Input) => Promise<unknown>
}

export const LOGINS: Readonly<Record<string, LoginCommand>> = {
  login: {
    usage: 'login <registry> --user <name> | --aws',
    about: 'logs in, by a password on standard input or as who you are at AWS; Docker knows it then too',
    login: async ({ words: [registry = ''], flags, secret }) => {
      if (!!flags.user === !!flags.aws) throw new Failure('say --user <name> or --aws', 2)
      const [origin, host] = [originOf(registry), hostOf(registry)]
      const login = flags.aws
        ? { user: 'aws', password: await passwordFor(host) }
        : { user: String(flags.user), password: await secret() }
      const { status, json } = await openRegistry(origin, login)('GET', '/api/me')
      if (status !== 200) throw new Failure(`${host} does not let you in${reasonIn(json)}`)
      const { id } = json as { id: string }
      if (id === 'anonymous') throw new Failure(`nobody logs in to ${host}: it is open to all`)
      const config = new DockerConfig()
      if (flags.aws) config.useHelper(host, 'longshore')
      else await config.save(host, login)
      return { registry: host, as: id, kept: config.path }
    },
  },
  logout: {
    usage: 'logout <registry>',
    about: 'forgets a login',
    login: async ({ words: [registry = ''] }) => {
      await new DockerConfig().forget(hostOf(registry))
      return undefined
    },
  },
  'aws-password': {
    usage: 'aws-password <registry>',
    about: 'prints a password for docker login -u aws, good for 15 minutes',
    login: async ({ words: [registry = ''] }) => passwordFor(hostOf(registry)),
  },
}

async function passwordFor(registry: string): Promise<string> {
  return awsPassword({ registry, ...(await findCredentials()), now: new Date() })
}

function reasonIn(json: unknown): string {
  const { errors: [error] = [] } = (json ?? {}) as { errors?: { detail?: { reason?: string } }[] }
  return error?.detail?.reason ? `: ${error.detail.reason}` : ''
}
