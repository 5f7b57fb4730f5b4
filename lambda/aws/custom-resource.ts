import { setTimeout as sleep } from 'node:timers/promises'
import type { CloudFormationCustomResourceEvent } from 'aws-lambda'

type Identity = 'RequestType' | 'ResourceType' | 'ResponseURL' | 'StackId' | 'RequestId' | 'LogicalResourceId'

/** What CloudFormation sends to the function of a custom resource. Our resources have only texts as properties. */
export interface ResourceEvent extends Pick<CloudFormationCustomResourceEvent, Identity> {
  readonly ResourceProperties: Readonly<Record<string, string | undefined>>
}

/** What there is to tell of a resource that is as it should be. */
export interface ResourceResult {
  /** Must stay the same for the same thing: CloudFormation deletes what had another one. */
  readonly id: string
  /** Attributes, which CloudFormation shows to nobody. */
  readonly secret?: Readonly<Record<string, string>>
}

export type ResourceResponse = (url: string, body: string) => Promise<void>

const ATTEMPTS = 3

/**
 * Does the work and tells CloudFormation how it went, since it waits for an hour if nobody does. What fails to be told is thrown, and
 * Lambda calls the function again: the work must bear to be repeated.
 *
 * @param nameOf the id of a resource whose work failed; CloudFormation wants one all the same
 */
export async function runCustomResource(
  event: ResourceEvent,
  {
    work,
    nameOf,
    answer,
  }: {
    work: (event: ResourceEvent) => Promise<ResourceResult>
    nameOf: (event: ResourceEvent) => string
    answer: ResourceResponse
  },
): Promise<void> {
  const { RequestType, StackId, RequestId, LogicalResourceId } = event
  const about = { StackId, RequestId, LogicalResourceId }
  const result = await work(event).then(
    ({ id, secret = {} }) => ({ Status: 'SUCCESS', PhysicalResourceId: id, NoEcho: true, Data: secret }),
    (error: unknown) => ({
      Status: 'FAILED',
      PhysicalResourceId: nameOf(event),
      Reason: error instanceof Error ? error.message : 'unknown error',
    }),
  )
  const reason = 'Reason' in result ? { reason: result.Reason } : {}
  console.log(
    JSON.stringify({ request: RequestType, resource: LogicalResourceId, status: result.Status, ...reason }),
  )
  await answer(event.ResponseURL, JSON.stringify({ ...about, ...result }))
}

/** To a presigned address, whose signature holds for an answer without a content type. */
export async function sendResponse(url: string, body: string, pause = 1000): Promise<void> {
  for (let attempt = 1; ; attempt++)
    try {
      const { ok, status } = await fetch(url, { method: 'PUT', body: Buffer.from(body) })
      if (ok) return
      throw new Error(`CloudFormation's address for answers said ${status}`)
    } catch (error) {
      if (attempt === ATTEMPTS) throw error
      await sleep(pause * attempt)
    }
}
