import { readFileSync } from 'node:fs'
import type { Accounts } from '../lambda/auth/identity/accounts.ts'
import type { Config } from './config.ts'
import { errorReason, StartError } from './start-error.ts'

/** As the deployment on AWS calls it. */
const NAME = 'admin'

/** Where the password comes from, one of the two at most. */
export type FirstPassword = Pick<Config, 'adminPassword' | 'adminPasswordFile'>

/**
 * Makes the user `admin` where there is no account at all, so that a container can listen to others when it first starts. The password
 * counts once: with accounts it is neither read nor used, so a container that restarts keeps a password that was changed.
 * @param tell is told what was done, without the password
 * @throws {StartError} when the file cannot be read, or the password is too short or too long
 */
export async function makeFirstAdministrator(
  accounts: Pick<Accounts, 'some' | 'addUser'>,
  password: FirstPassword,
  tell: (message: string) => void,
): Promise<void> {
  const source = sourceOf(password)
  if (source === undefined) return
  if (await accounts.some()) {
    tell(`${source} is ignored, because there are accounts`)
    return
  }
  try {
    await accounts.addUser(NAME, { password: read(password), admin: true })
  } catch (error) {
    // The command may have made an account on the folder in the meantime.
    if (!(await accounts.some())) throw new StartError('usage', `${source}: ${errorReason(error)}`)
  }
  tell(`made the administrator ${NAME} with the password of ${source}, which is not looked at again`)
}

/** The setting that gives the password, as a user writes it. */
export function sourceOf({ adminPassword, adminPasswordFile }: FirstPassword): string | undefined {
  if (adminPasswordFile !== undefined) return '--admin-password-file'
  return adminPassword === undefined ? undefined : 'LONGSHORE_ADMIN_PASSWORD'
}

/** Editors and `echo` end the line of a file, on Windows with two characters. */
function read({ adminPassword = '', adminPasswordFile }: FirstPassword): string {
  return adminPasswordFile === undefined
    ? adminPassword
    : readFileSync(adminPasswordFile, 'utf8').replace(/\r?\n$/, '')
}
