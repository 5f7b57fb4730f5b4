import { type Secret, withGeneration } from './secret.ts'

/** The store of the secret. */
export interface SecretStore {
  read(): Promise<Secret | undefined>
  /** @returns false, without writing, when a secret exists and `replace` is not set */
  write(secret: Secret, options: { replace: boolean }): Promise<boolean>
  /** Succeeds when there is none. */
  remove(): Promise<void>
}

/** The key-value store that CloudFront's functions read. */
export interface EdgeKeyStore {
  /** Writes and removes items atomically. Items to remove may be absent. */
  update(items: { put?: Record<string, string>; remove?: readonly string[] }): Promise<void>
}

const ATTEMPTS = 3

/**
 * Ensures that the secret has a key of `generation` and that the edge has its keys. It can be repeated after a failure
 * at any point. The edge gets a new key before the secret is stored, because from then on the registry may sign with
 * the key.
 */
export async function rotateSecret(
  { secrets, edge, random }: { secrets: SecretStore; edge: EdgeKeyStore; random: () => string },
  { generation, relay }: { generation: string; relay: boolean },
): Promise<Secret> {
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const stored = await secrets.read()
    const secret = withGeneration(stored, generation, random)
    await edge.update({ put: { keys: secret.edgeKeys.join(',') }, remove: relay ? [] : ['relay'] })
    if (secret === stored || (await secrets.write(secret, { replace: stored !== undefined }))) return secret
    // A concurrent run created a secret. The edge needs that one.
  }
  throw new Error('the secret was created and removed repeatedly by concurrent runs')
}
