import { describe, expect, it } from 'vitest'
import { parseAst } from 'vitest/node'
import { edgeFunctionCode } from '../../../infra/edge-function.ts'
import { type HeaderList, toEdgeRequest } from '../../support/edge-event.ts'
import { EdgeScript } from '../../support/edge-runtime.ts'
import {
  bearer,
  CHUNKED,
  DIGEST,
  KEY,
  MiB,
  NOW,
  OTHER_KEY,
  pullTarget,
  sized,
  stream,
  streamTarget,
  uploadPath,
  uploadTarget,
} from './fixture.ts'

interface Node {
  readonly type: string
  readonly start: number
  readonly end: number
  readonly [field: string]: unknown
}

/** Methods of texts and patterns whose time depends on the length of the text. */
const SCANS = ['exec', 'test', 'replace', 'split']

/** The function with a call of `count()` at every statement, closure, scan of a text and HMAC. */
function instrumented(code: string): string {
  const inserts: [at: number, text: string][] = []
  const around = ({ start, end }: Node, what: string) => {
    inserts.push([start, `(runtime.count('${what}'), `], [end, ')'])
  }
  visit(parseAst(code), (node, parent) => {
    if (parent?.type === 'BlockStatement' && node.type.endsWith('Statement'))
      inserts.push([node.start, "runtime.count('step');"])
    if (parent?.type === 'ForStatement' && parent.body === node)
      inserts.push([node.start, "{runtime.count('step');"], [node.end, '}'])
    if (parent?.type === 'ArrowFunctionExpression' && parent.body === node && node.type !== 'BlockStatement')
      around(node, 'step')
    const called = node.type === 'CallExpression' ? (node.callee as Node) : undefined
    const method = called?.type === 'MemberExpression' ? (called.property as Node).name : undefined
    if (SCANS.includes(method as string)) around(node, 'scan')
    if (method === 'createHmac') around(node, 'hmac')
  })
  // From the end, so that positions stay valid; at one position, what opens later is inside.
  return inserts
    .map((insert, order) => ({ insert, order }))
    .sort((a, b) => b.insert[0] - a.insert[0] || b.order - a.order)
    .reduce((text, { insert: [at, added] }) => text.slice(0, at) + added + text.slice(at), code)
}

function visit(value: unknown, each: (node: Node, parent?: Node) => void, parent?: Node): void {
  if (typeof value !== 'object' || value === null) return
  const node = 'type' in value && typeof value.type === 'string' ? (value as Node) : undefined
  if (node) each(node, parent)
  for (const inner of Object.values(value)) visit(inner, each, node ?? parent)
}

const script = new EdgeScript(
  `import runtime from 'cloudfront'\n${instrumented(edgeFunctionCode('viewer-request'))}`,
)
const KEYS = { keys: `${OTHER_KEY},${KEY}` }
const SLEEPING = { ...KEYS, relay: 'auto', 'relay-switch': 'on', auth: 'on', unsigned: '0' }

interface Cost {
  readonly step: number
  readonly scan: number
  readonly hmac: number
  readonly read: number
}

/** What a request costs at the edge: statements, scans of a text, HMACs, and reads of the KeyValueStore. */
async function costOf(
  method: string,
  target: string,
  headers: HeaderList,
  items: Readonly<Record<string, string>> = KEYS,
): Promise<Cost> {
  const cost = { step: 0, scan: 0, hmac: 0, read: 0 }
  const count = (what: keyof Cost) => {
    cost[what]++
  }
  const read = async <T>(value: T) => {
    count('read')
    return value
  }
  const cloudfront = {
    count,
    kvs: () => ({ get: (key: string) => read(items[key]), exists: (key: string) => read(key in items) }),
    selectRequestOriginById: () => {},
  }
  await script.call({ request: toEdgeRequest(method, target, headers) }, { cloudfront, now: NOW * 1000 })
  return cost
}

const MANIFEST = '/v2/team/app/manifests/latest'
const POSTED = `/v2/team/app/blobs/uploads/?digest=${DIGEST}`
const state = `_state=1900000000.${'a'.repeat(5000)}.${'b'.repeat(43)}`
const whole = `${uploadTarget()}&${stream()}&${state}`
const chunk = `${streamTarget()}&${state}`
const numbered = Array.from({ length: 1_300 }, (_, number) => number).join('&')

/** CloudFront stops a function after about a millisecond. Each request has two keys to try. */
describe('the work of the viewer-request function', () => {
  it.each<[string, string, string, HeaderList]>([
    ['a GET', 'GET', MANIFEST, [['Authorization', `Bearer ${'a'.repeat(8_000)}`]]],
    ['a PUT without a body', 'PUT', chunk, sized(0)],
  ])('is some statements for %s, and no read', async (_, method, target, headers) => {
    expectAtMost(await costOf(method, target, headers), { step: 20, scan: 5, hmac: 0, read: 0 })
  })

  it.each<[string, string, string, HeaderList, Record<string, string>?]>([
    ['a direct upload', 'PUT', whole, sized(2 * MiB)],
    ['a whole blob when direct uploads are off', 'PUT', whole, sized(9 * MiB), { direct: 'off' }],
    ['a chunk', 'PATCH', chunk, sized(MiB)],
    ['a stream', 'PATCH', chunk, CHUNKED],
    ['a redirect to a GET that starts the relay', 'PATCH', chunk, sized(9 * MiB)],
    ['a manifest with a token', 'PUT', MANIFEST, [...sized(MiB), bearer()]],
    [
      'a manifest with a password',
      'PUT',
      MANIFEST,
      [...sized(MiB), ['Authorization', `Basic ${'a'.repeat(9_000)}`]],
    ],
    ['a POST with a blob', 'POST', POSTED, [...sized(9 * MiB), bearer()]],
    ['a pull', 'GET', pullTarget(), []],
  ])('is two HMACs and seven reads at most for %s', async (_, method, target, headers, more) => {
    const cost = await costOf(method, target, headers, { ...SLEEPING, ...more })

    expectAtMost(cost, { step: 200, scan: 30, hmac: 2, read: 7 })
  })

  it.each([
    ['thousands of equal parameters', `${uploadPath()}?${'a&'.repeat(4_000)}`],
    ['thousands of parameters', `${uploadPath()}?${numbered}`],
    ['thousands of question marks', `${uploadPath()}?a=${'?'.repeat(7_000)}`],
    ['a long name', `/v2/${'a-'.repeat(4_000)}`],
    ['thousands of components', `/v2/${'a/'.repeat(4_000)}b`],
    ['a long encoded path', `/v2/${'%41'.repeat(2_700)}`],
  ])('is bounded for a URL of 8 KB with %s', async (_, target) => {
    expectAtMost(await costOf('PUT', target, sized(2 * MiB)), { step: 500, scan: 120, hmac: 0, read: 2 })
  })
})

function expectAtMost(cost: Cost, most: Cost): void {
  // The counters count.
  expect(cost.step).toBeGreaterThan(most.step / 20)
  for (const what of ['step', 'scan', 'hmac', 'read'] as const)
    expect(cost[what], what).toBeLessThanOrEqual(most[what])
}
