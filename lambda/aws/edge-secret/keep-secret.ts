import { type Secret, withGeneration } from './secret.ts'

/** Where the secret is kept. */
export interface SecretStore {
  read(): Promise<Secret | undefined>
  /** @returns false, having written nothing, if there is a secret and `replace` is not set */
  write(secret: Secret, options: { replace: boolean }): Promise<boolean>
  /** No error if there is none. */
  remove(): Promise<void>
}

/** What CloudFront's functions can read. */
export interface EdgeKeyStore {
  /** All or nothing. What is to be removed need not be there. */
  update(items: { put?: Record<string, string>; remove?: readonly string[] }): Promise<void>
}

const ATTEMPTS = 3

/**
 * Makes sure that there is a secret with a key of `generation`, and that the edge knows its keys. May be repeated after failing at any
 * point. A key is given to the edge before it is stored, because from then on links may be signed with it.
 */
export async function rotateSecret(
  { secrets, edge, random }: { secrets: SecretStore; edge: EdgeKeyStore; random: () => string },
  { generation, relay }: { generation: string; relay: boolean },
): Promise<Secret> {
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const stored = await secrets.read()
    const wanted = withGeneration(stored, generation, random)
    await edge.update({ put: { keys: wanted.edgeKeys.join(',') }, remove: relay ? [] : ['relay'] })
    if (wanted === stored || (await secrets.write(wanted, { replace: stored !== undefined }))) return wanted
    // Someone else made one in the meantime. The edge has to know that one.
  }
  throw new Error('the secret was made and removed by others again and again')
}
