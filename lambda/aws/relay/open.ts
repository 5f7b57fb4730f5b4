import { setTimeout as sleep } from 'node:timers/promises'
import type { Credentials } from '../../store/shared/aws-signing.ts'
import type { Table } from '../../store/table.ts'
import type { AwsConfig } from '../config.ts'
import { createEc2, type Ec2 } from './ec2.ts'
import { RelayTable } from './relay-table.ts'
import { UploadGate } from './upload-gate.ts'
import { RelayWaker } from './waker.ts'

interface SleepingRelay {
  readonly rows: RelayTable
  readonly ec2: Ec2
  readonly gate: UploadGate
}

/** The relay that is stopped while idle; `undefined` in a deployment that has none. */
export function openSleepingRelay(
  { relayInstance, region, ec2Endpoint }: AwsConfig,
  table: Table,
  credentials: () => Promise<Credentials>,
): SleepingRelay | undefined {
  if (relayInstance === undefined) return undefined
  const rows = new RelayTable(table, relayInstance)
  const ec2 = createEc2({ region, endpoint: ec2Endpoint }, credentials)
  const waker = new RelayWaker({ rows, ec2, clock: Date.now, pause: sleep })
  return { rows, ec2, gate: new UploadGate(waker) }
}
