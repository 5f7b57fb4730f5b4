import { describe, expect, it } from 'vitest'
import type { SmokeContext } from '../../smoke/context.ts'
import { type AwsCli, edgeComputeChecks } from '../../smoke/edge-compute.ts'
import { toEdgeRequest } from '../support/edge-event.ts'

const NAME = 'longshore-viewer-request-us-east-1'
const context = {} as SmokeContext

/** Answers as the AWS CLI does, and keeps the event that CloudFront would run. */
function fakeAws(result: { ComputeUtilization: string; FunctionErrorMessage?: string }) {
  const events: { request: ReturnType<typeof toEdgeRequest> }[] = []
  const aws: AwsCli = async (...args) => {
    if (args.includes('describe-function')) return JSON.stringify({ ETag: 'E1' })
    expect(args).toEqual(expect.arrayContaining(['test-function', '--name', NAME, '--if-match', 'E1']))
    events.push(JSON.parse(Buffer.from(args.at(-1) ?? '', 'base64').toString()))
    return JSON.stringify({ TestResult: result })
  }
  return { aws, events }
}

describe('the checks of the edge function', () => {
  it('report the compute utilization that CloudFront measures', async () => {
    const { aws, events } = fakeAws({ ComputeUtilization: '23' })

    const results = await Promise.all(edgeComputeChecks(NAME, aws).map(check => check.run(context)))

    expect(new Set(results)).toEqual(new Set(['compute utilization 23 %']))
    expect(Object.keys(events[0]?.request ?? {}).sort()).toEqual(
      Object.keys(toEdgeRequest('PUT', '/')).sort(),
    )
  })

  it.each([
    ['needs too much time', { ComputeUtilization: '81' }, 'compute utilization 81 %'],
    ['fails', { ComputeUtilization: '5', FunctionErrorMessage: 'TypeError' }, 'TypeError'],
  ])('fail when the function %s', async (_, result, seen) => {
    const [check] = edgeComputeChecks(NAME, fakeAws(result).aws)

    await expect(check?.run(context)).rejects.toThrow(seen)
  })
})
