import { setTimeout as sleep } from 'node:timers/promises'
import type { CloudFormationCustomResourceEvent } from 'aws-lambda'

type Identity = 'RequestType' | 'ResourceType' | 'ResponseURL' | 'StackId' | 'RequestId' | 'LogicalResourceId'

/** The event that CloudFormation sends for a custom resource. The properties of our resources are strings. */
export interface ResourceEvent extends Pick<CloudFormationCustomResourceEvent, Identity> {
  readonly ResourceProperties: Readonly<Record<string, string | undefined>>
}

/** The result of a custom resource that succeeded. */
export interface ResourceResult {
  /** Must not change for the same resource: CloudFormation deletes the resource with the old id. */
  readonly id: string
  /** Attributes of the resource. `NoEcho` keeps them out of CloudFormation's output. */
  readonly secret?: Readonly<Record<string, string>>
}

/** Sends a response, which is a JSON document, to the presigned URL of an event. */
export type SendResponse = (url: string, body: string) => Promise<void>

const ATTEMPTS = 3

/**
 * Runs the work of a custom resource and sends the result to CloudFormation, which otherwise waits for an hour. When
 * the response cannot be sent, this throws and Lambda calls the function again, so the work must be idempotent.
 * @param nameOf returns the physical id of a resource whose work failed; CloudFormation requires one
 */
export async function runCustomResource(
  event: ResourceEvent,
  {
    work,
    nameOf,
    respond,
  }: {
    work: (event: ResourceEvent) => Promise<ResourceResult>
    nameOf: (event: ResourceEvent) => string
    respond: SendResponse
  },
): Promise<void> {
  const { RequestType, StackId, RequestId, LogicalResourceId } = event
  const identity = { StackId, RequestId, LogicalResourceId }
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
  await respond(event.ResponseURL, JSON.stringify({ ...identity, ...result }))
}

/**
 * Sends a response to CloudFormation's presigned URL, whose signature does not cover a content type.
 * @param pause milliseconds before the second attempt
 * @throws {Error} after three attempts
 */
export async function sendResponse(url: string, body: string, pause = 1000): Promise<void> {
  for (let attempt = 1; ; attempt++)
    try {
      const { ok, status } = await fetch(url, { method: 'PUT', body: Buffer.from(body) })
      if (ok) return
      throw new Error(`CloudFormation's response URL returned ${status}`)
    } catch (error) {
      if (attempt === ATTEMPTS) throw error
      await sleep(pause * attempt)
    }
}
