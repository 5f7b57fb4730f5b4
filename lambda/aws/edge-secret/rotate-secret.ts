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
  /** Writes and removes items atomically. */
  update(changes: EdgeItemChanges): Promise<void>
}

/** Items of the key-value store. Items that no change names stay: administrators set the emergency switches by hand. */
export interface EdgeItemChanges {
  readonly put?: Readonly<Record<string, string>>
  /** Written only where the item is absent. */
  readonly putIfAbsent?: Readonly<Record<string, string>>
  /** May be absent. */
  readonly remove?: readonly string[]
}

/** What the edge must know besides the keys. */
interface EdgeSettings {
  /** Whether there is a relay. `false` withdraws it. */
  readonly relay: boolean
  readonly auth: 'on' | 'off'
  /**
   * Until when the edge accepts sessions and tokens without a signature for the edge, in seconds since 1970. The first value
   * stays.
   */
  readonly unsignedUntil: number
}

const ATTEMPTS = 3

/**
 * Ensures that the secret has a key of `generation` and that the edge has its keys. It can be repeated after a failure
 * at any point. The edge gets a new key before the secret is stored, because from then on the registry may sign with
 * the key.
 */
export async function rotateSecret(
  { secrets, edge, random }: { secrets: SecretStore; edge: EdgeKeyStore; random: () => string },
  { generation, relay, auth, unsignedUntil }: EdgeSettings & { readonly generation: string },
): Promise<Secret> {
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const stored = await secrets.read()
    const secret = withGeneration(stored, generation, random)
    await edge.update({
      put: { keys: secret.edgeKeys.join(','), auth },
      putIfAbsent: { unsigned: String(unsignedUntil) },
      remove: relay ? [] : ['relay'],
    })
    if (secret === stored || (await secrets.write(secret, { replace: stored !== undefined }))) return secret
    // A concurrent run created a secret. The edge needs that one.
  }
  throw new Error('the secret was created and removed repeatedly by concurrent runs')
}
