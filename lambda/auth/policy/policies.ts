import { RegistryError } from '../../protocol/errors.ts'
import { keys } from '../../store/keys.ts'
import type { PolicyRow } from '../../store/records.ts'
import { ConditionFailed, type Table } from '../../store/table.ts'
import { NO_POLICY, type Policy, parsePolicy } from './policy.ts'
import { GRANT_FORMAT, upgradeGrant } from './schema.ts'

/** Characters of JSON. The policy is one row, which is cached for a minute. A DynamoDB item holds at most 400 KB. */
const MAX_POLICY_LENGTH = 300_000

/** The policy and its version number, which is 0 before the first policy is stored. */
interface VersionedPolicy {
  readonly policy: Policy
  readonly version: number
}

/** Stores the policy of the registry. */
export class Policies {
  readonly #table: Table
  readonly #listeners: (() => void)[] = []
  constructor(table: Table) {
    this.#table = table
  }

  /** Registers a listener. It is called after the policy is replaced through this object. */
  onChange(listener: () => void): void {
    this.#listeners.push(listener)
  }

  /** @throws {PolicyError} if the stored document is not a valid policy */
  async current(): Promise<VersionedPolicy> {
    const row = await this.#table.get<PolicyRow>(keys.policy)
    if (!row) return { policy: NO_POLICY, version: 0 }
    const { rules, ...rest } = parsePolicy(JSON.parse(row.document))
    const upgraded = rules.map(rule => upgradeGrant(rule, row.format))
    return { policy: { ...rest, rules: upgraded }, version: row.version }
  }

  /**
   * @param version the version of the policy to replace
   * @throws {PolicyError} if the document is not a valid policy
   * @throws {RegistryError} BAD_REQUEST if `version` is not the current version, or the policy is too long
   */
  async replace(document: unknown, version: number): Promise<VersionedPolicy> {
    const policy = parsePolicy(document)
    const text = JSON.stringify(policy)
    if (text.length > MAX_POLICY_LENGTH) {
      const reason = `the policy is too long: it must have at most ${MAX_POLICY_LENGTH} characters as JSON`
      throw new RegistryError('BAD_REQUEST', { detail: { reason } })
    }
    const row: PolicyRow = { ...keys.policy, document: text, version: version + 1, format: GRANT_FORMAT }
    try {
      await this.#table.transact({ put: row, if: version === 0 ? 'absent' : { version } })
    } catch (error) {
      if (!(error instanceof ConditionFailed)) throw error
      const reason = `version ${version} is not the current version of the policy: read the policy again`
      throw new RegistryError('BAD_REQUEST', { detail: { reason } })
    }
    for (const listener of this.#listeners) listener()
    return { policy, version: version + 1 }
  }
}
