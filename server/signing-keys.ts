import { randomBytes } from 'node:crypto'
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import * as v from 'valibot'
import { Keyring } from '../lambda/auth/tokens/keyring.ts'
import { errorReason, StartError } from './start-error.ts'

const Keys = v.object({ tokenKeys: v.array(v.string()) })

/**
 * Reads the keys that sign tokens from `keys.json` in the data folder, and creates the file if it is missing. Only its
 * owner can read it. To rotate the keys, put a new key before the others and restart. When an old key is removed, its
 * tokens become invalid.
 * @throws {StartError} when the file exists and cannot be read or has an invalid form
 */
export function openSigningKeys(folder: string): Keyring {
  const path = join(folder, 'keys.json')
  const keys = read(path) ?? create(path)
  try {
    return new Keyring(keys)
  } catch (error) {
    throw new StartError('failure', `${path}: ${errorReason(error)}`)
  }
}

function read(path: string): string[] | undefined {
  let text: string
  try {
    text = readFileSync(path, 'utf8').replace(/^\uFEFF/, '') // editors on Windows write a byte order mark
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new StartError('failure', `cannot read ${path}: ${errorReason(error)}`)
  }
  const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), Keys), text)
  if (!parsed.success)
    throw new StartError('failure', `${path} must be a JSON object with the list of strings "tokenKeys"`)
  return parsed.output.tokenKeys
}

function create(path: string): string[] {
  const tokenKeys = [randomBytes(32).toString('base64url')]
  const file = openSync(`${path}.new`, 'w', 0o600)
  writeSync(file, `${JSON.stringify({ tokenKeys })}\n`)
  fsyncSync(file)
  closeSync(file)
  renameSync(`${path}.new`, path)
  return tokenKeys
}
