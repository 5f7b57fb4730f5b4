import { randomBytes } from 'node:crypto'
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import * as v from 'valibot'
import { Keyring } from '../lambda/auth/tokens/keyring.ts'
import { errorReason, StartError } from './start-error.ts'

const Keys = v.object({ tokenKeys: v.array(v.string()) })

/**
 * The keys that sign tokens, from `keys.json` in the data folder, which nobody else may read. Made when they are first needed. To
 * rotate them, put another one in front and restart; without the old one, everybody logs in again.
 * @throws {StartError} when the file is there and does not read
 */
export function openSigningKeys(folder: string): Keyring {
  const path = join(folder, 'keys.json')
  const keys = read(path) ?? make(path)
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
  if (!parsed.success) throw new StartError('failure', `${path} is not what it should be`)
  return parsed.output.tokenKeys
}

function make(path: string): string[] {
  const tokenKeys = [randomBytes(32).toString('base64url')]
  const file = openSync(`${path}.new`, 'w', 0o600)
  writeSync(file, `${JSON.stringify({ tokenKeys })}\n`)
  fsyncSync(file)
  closeSync(file)
  renameSync(`${path}.new`, path)
  return tokenKeys
}
