import { readFileSync } from 'node:fs'
import type { Accounts } from '../lambda/auth/identity/accounts.ts'
import type { Config } from './config.ts'
import { errorReason, StartError } from './start-error.ts'

/** The deployment on AWS uses the same name. */
const NAME = 'admin'

/** The settings that can hold the password. At most one of them is set. */
export type FirstPassword = Pick<Config, 'adminPassword' | 'adminPasswordFile'>

/**
 * Creates the user `admin` when there are no accounts, so that a container can accept logins from its first start. Once
 * there are accounts, the setting is ignored, so that a restart does not reset a changed password.
 * @param notice receives a sentence for the log that says what was done, without the password
 * @throws {StartError} when the file cannot be read, or the password is too short or too long
 */
export async function makeFirstAdministrator(
  accounts: Pick<Accounts, 'some' | 'addUser'>,
  password: FirstPassword,
  notice: (message: string) => void,
): Promise<void> {
  const source = sourceOf(password)
  if (source === undefined) return
  if (await accounts.some()) {
    notice(`${source} is ignored, because there are accounts`)
    return
  }
  try {
    await accounts.addUser(NAME, { password: read(password), admin: true })
  } catch (error) {
    // The command line may have created an account in the folder meanwhile.
    if (!(await accounts.some())) throw new StartError('usage', `${source}: ${errorReason(error)}`)
  }
  notice(
    `created the administrator ${NAME} with the password of ${source}; the setting is ignored from now on`,
  )
}

/** The name of the setting that holds the password, as a user writes it. */
export function sourceOf({ adminPassword, adminPasswordFile }: FirstPassword): string | undefined {
  if (adminPasswordFile !== undefined) return '--admin-password-file'
  return adminPassword === undefined ? undefined : 'LONGSHORE_ADMIN_PASSWORD'
}

/** Reads the password without a line end, which editors and `echo` add. */
function read({ adminPassword = '', adminPasswordFile }: FirstPassword): string {
  return adminPasswordFile === undefined
    ? adminPassword
    : readFileSync(adminPasswordFile, 'utf8').replace(/\r?\n$/, '')
}
