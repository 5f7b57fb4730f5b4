import type { Ec2 } from './ec2.ts'
import type { RelayTable } from './relay-table.ts'

/** A boot, and a start that EC2 was slow to make, take less. */
const GRACE_MS = 10 * 60_000

/**
 * Stops an instance that runs without serving: its relay crashed, hangs or was never installed. Part of the hourly
 * collector, so that a fault of the relay cannot cost more than two hours of the instance.
 * @returns whether it was stopped
 * @throws {Ec2Error}
 */
export async function stopRunawayRelay(
  rows: RelayTable,
  ec2: Pick<Ec2, 'state' | 'stop'>,
  now: number,
): Promise<boolean> {
  const row = await rows.read()
  if (row.since === 0) {
    // A new deployment may have created the instance a moment ago. The next run finds out whether it serves.
    await rows.change(row, { since: now })
    return false
  }
  const lastSign = Math.max(row.readyUntil, row.since, row.tried)
  if (now - lastSign < GRACE_MS || (await ec2.state(rows.instance)) !== 'running') return false
  // A request that starts the relay at this moment changes the row first, and the instance stays.
  const stopped = await rows.change(row, { state: 'stopping', since: now, tried: 0, readyUntil: 0 })
  if (stopped) await ec2.stop(rows.instance)
  return stopped !== undefined
}
