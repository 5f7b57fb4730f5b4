import { accessSync, constants, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { errorReason, StartError } from './start-error.ts'

/** Path of the database in a data folder. */
export function databaseIn(folder: string): string {
  return join(folder, 'registry.sqlite')
}

/**
 * Creates a data folder that only its owner can read. An existing folder keeps its mode.
 * @throws {StartError} when the folder cannot be created, read or written
 */
export function prepareFolder(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    accessSync(folder, constants.R_OK | constants.W_OK | constants.X_OK)
  } catch (error) {
    throw new StartError('failure', `cannot use the data folder: ${errorReason(error)}`)
  }
}
