import { RegistryError } from '../../protocol/errors.ts'
import { keys } from '../../store/keys.ts'
import type { PolicyRow } from '../../store/records.ts'
import { ConditionFailed, type Table } from '../../store/table.ts'
import { NO_POLICY, type Policy, parsePolicy } from './policy.ts'
import { GRANT_FORMAT, upgradeGrant } from './schema.ts'

/** A policy takes one row of the table, which is read for a minute's requests at once. */
const LONGEST = 300_000

/** The policy and the number of its version, which is 0 while there has been none. */
interface Versioned {
  readonly policy: Policy
  readonly version: number
}

/** Keeps the policy of a registry. */
export class Policies {
  readonly #table: Table
  constructor(table: Table) {
    this.#table = table
  }

  async current(): Promise<Versioned> {
    const row = await this.#table.get<PolicyRow>(keys.policy)
    if (!row) return { policy: NO_POLICY, version: 0 }
    const { rules, ...rest } = parsePolicy(JSON.parse(row.document))
    const upgraded = rules.map(rule => upgradeGrant(rule, row.format))
    return { policy: { ...rest, rules: upgraded }, version: row.version }
  }

  /**
   * @param version of the policy that this one takes the place of
   * @throws {PolicyError} when it does not read; {RegistryError} BAD_REQUEST when another one came in between, or it is too long
   */
  async replace(document: unknown, version: number): Promise<Versioned> {
    const policy = parsePolicy(document)
    const text = JSON.stringify(policy)
    if (text.length > LONGEST)
      throw new RegistryError('BAD_REQUEST', { detail: { reason: 'the policy is too long' } })
    const row: PolicyRow = { ...keys.policy, document: text, version: version + 1, format: GRANT_FORMAT }
    try {
      await this.#table.transact({ put: row, if: version === 0 ? 'absent' : { version } })
    } catch (error) {
      if (!(error instanceof ConditionFailed)) throw error
      const reason = `the policy is not of version ${version} any more`
      throw new RegistryError('BAD_REQUEST', { detail: { reason } })
    }
    return { policy, version: version + 1 }
  }
}
