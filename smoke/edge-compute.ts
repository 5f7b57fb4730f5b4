import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { type Check, expect } from './context.ts'

/** Runs the AWS CLI, with its credentials, and returns what it prints. */
export type AwsCli = (...args: string[]) => Promise<string>

/** Percent of the time after which CloudFront stops a function. Above 80, CloudFront starts to throttle it. */
const MAX_UTILIZATION = 80

const SESSION = '/v2/smoke/compute/blobs/uploads/6f2b0c4e-93a1-4d57-8e0f-2b7c5d9a1e34'
/** The function computes an HMAC with each of its keys before it refuses it. */
const FORGED = { value: `99999999999.${'A'.repeat(43)}` }
const LENGTH = { 'content-length': { value: '9000000' } }
const MARK = Buffer.from(JSON.stringify({ alg: 'HS256', kid: '0', typ: 'JWT', edge: FORGED.value })).toString(
  'base64url',
)

/** The requests that need most work, in the form of CloudFront's events. */
const REQUESTS = {
  'a direct upload': {
    method: 'PUT',
    uri: SESSION,
    querystring: {
      _state: { value: `99999999999.${'a'.repeat(5_000)}.${'b'.repeat(43)}` },
      direct: FORGED,
      digest: { value: `sha256:${'0'.repeat(64)}` },
    },
    headers: LENGTH,
  },
  'a layer in one PATCH': { method: 'PATCH', uri: SESSION, querystring: { stream: FORGED }, headers: LENGTH },
  'a large manifest': {
    method: 'PUT',
    uri: '/v2/smoke/compute/manifests/latest',
    querystring: {},
    headers: {
      'content-length': { value: '1000000' },
      authorization: { value: `Bearer ${MARK}.${'a'.repeat(6_000)}.${'b'.repeat(43)}` },
    },
  },
  'a path of 8 KB': { method: 'PUT', uri: `/v2/${'a-'.repeat(4_000)}`, querystring: {}, headers: LENGTH },
} as const

/**
 * Checks of the time that the deployed viewer-request function needs, which only CloudFront measures (TestFunction).
 * @param name of the function, such as `longshore-viewer-request-us-east-1`
 */
export function edgeComputeChecks(name: string, aws: AwsCli = runAws): readonly Check[] {
  return Object.entries(REQUESTS).map(([what, request]) => ({
    name: `the edge function is fast enough for ${what}`,
    run: async () => {
      const { utilization, error } = await testFunction(aws, name, request)
      expect(error === '', error)
      expect(utilization <= MAX_UTILIZATION, `compute utilization ${utilization} %`)
      return `compute utilization ${utilization} %`
    },
    advice:
      'CloudFront stops a function that needs too much time, and responds with 503. Report the figure. A credentials error: the AWS CLI (version 2) must be installed, and allowed cloudfront:DescribeFunction and cloudfront:TestFunction',
  }))
}

async function testFunction(
  aws: AwsCli,
  name: string,
  request: object,
): Promise<{ utilization: number; error: string }> {
  const common = ['cloudfront', '--output', 'json', '--no-cli-pager']
  const described = await aws(...common, 'describe-function', '--name', name, '--stage', 'LIVE')
  const event = {
    version: '1.0',
    context: { eventType: 'viewer-request' },
    viewer: { ip: '198.51.100.11' },
    request: { ...request, cookies: {} },
  }
  const tested = await aws(
    ...[
      ...common,
      'test-function',
      '--name',
      name,
      '--stage',
      'LIVE',
      '--if-match',
      JSON.parse(described).ETag,
    ],
    ...[
      '--cli-binary-format',
      'base64',
      '--event-object',
      Buffer.from(JSON.stringify(event)).toString('base64'),
    ],
  )
  const { ComputeUtilization, FunctionErrorMessage = '' } = JSON.parse(tested).TestResult
  return { utilization: Number(ComputeUtilization), error: FunctionErrorMessage }
}

const runAws: AwsCli = async (...args) => (await promisify(execFile)('aws', args)).stdout
