import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { edgeFunctionCode } from '../../infra/edge-function.ts'
import {
  bearer,
  DIGEST,
  direct,
  HEX,
  ID,
  KEY,
  pullTarget,
  streamTarget,
  uploadPath,
  uploadTarget,
  viewerRequest,
  viewerResponse,
} from '../infra/edge/fixture.ts'
import { run } from '../support/command.ts'
import { type EdgeRequest, type HeaderList, toEdgeHeaders, toEdgeRequest } from '../support/edge-event.ts'
import { describeWith, findTool } from '../support/requirements.ts'

/** The far future, because njs cannot be told the time. */
const LATER = 99_999_999_999
const later = { expires: LATER }
const large: HeaderList = [
  ['Host', 'r.example'],
  ['Content-Length', '3000000'],
  ['X-Amz-Acl', 'public-read'],
]

const ITEMS = { keys: KEY, relay: 'auto', unsigned: '1', auth: 'on' }

/** The module `cloudfront`. `chosen` is ours: the origin of the last request, once. */
const CLOUDFRONT = `
const items = ${JSON.stringify(ITEMS)}
let origin
function chosen() {
  const last = origin
  origin = undefined
  return last
}
export default {
  kvs: () => ({ get: key => Promise.resolve(items[key]), exists: key => Promise.resolve(key in items) }),
  selectRequestOriginById: id => { origin = id },
  chosen,
}
`

const requests: readonly EdgeRequest[] = [
  toEdgeRequest('PUT', uploadTarget(later), large),
  toEdgeRequest('PUT', `${uploadPath()}?x=%zz&d%69gest=${DIGEST}&${direct(later)}`, large),
  toEdgeRequest('PUT', uploadTarget({ ...later, name: 'a/b__c--d.e' }), large),
  toEdgeRequest('PUT', uploadTarget({ expires: 1 }), large),
  toEdgeRequest('PUT', uploadTarget({ ...later, key: KEY.toUpperCase() }), large),
  toEdgeRequest('PUT', `${uploadTarget(later)}&${direct(later)}`, large),
  toEdgeRequest('PUT', `${uploadTarget(later)}%0A`, large),
  toEdgeRequest('PUT', `${uploadTarget(later, `${DIGEST}%0A`)}`, large),
  toEdgeRequest('PUT', uploadTarget(later, HEX.toUpperCase()), large),
  toEdgeRequest('PUT', uploadPath(), large),
  toEdgeRequest('PATCH', uploadPath(), [['Transfer-Encoding', 'chunked']]),
  toEdgeRequest('PATCH', streamTarget(later), [['Transfer-Encoding', 'chunked']]),
  toEdgeRequest('PATCH', streamTarget(later), large),
  toEdgeRequest('PATCH', streamTarget(later), [['Content-Length', '5000000']]),
  toEdgeRequest('PATCH', streamTarget(later, '&relay=1'), [['Content-Length', '5000000']]),
  toEdgeRequest('PUT', streamTarget(later, `?digest=${DIGEST}`), [['Content-Length', '5000000']]),
  toEdgeRequest('PUT', '/v2/a/manifests/b', [['Content-Length', '5000000']]),
  toEdgeRequest('PUT', '/v2/a/manifests/b', [['Content-Length', '100000'], bearer(later)]),
  toEdgeRequest('PUT', '/v2/a/manifests/b', [['Content-Length', '100000'], bearer({ expires: 1 })]),
  toEdgeRequest('PUT', '/v2/a/manifests/b', [
    ['Content-Length', '100000'],
    ['Authorization', 'Basic YWRtaW46cGFzc3dvcmQ='],
  ]),
  toEdgeRequest('PUT', '/api/policy', [
    ['Content-Length', '100000'],
    ['Host', 'r.example'],
  ]),
  toEdgeRequest('PUT', '/api/policy', [
    ['Content-Length', '100000'],
    ['Authorization', 'Bearer e30.e30.e30'],
  ]),
  toEdgeRequest('POST', `/v2/a/blobs/uploads/?digest=${DIGEST}`, [
    ['Content-Length', '9000000'],
    bearer(later),
  ]),
  toEdgeRequest('POST', '/v2/a/blobs/uploads/'),
  toEdgeRequest('POST', '/v2/a/blobs/uploads/', [['Content-Length', '1']]),
  toEdgeRequest('GET', '/v2/', [['Transfer-Encoding', 'chunked']]),
  toEdgeRequest('PUT', '/v2/a/manifests/b', [['Content-Length', 'x']]),
  toEdgeRequest('GET', pullTarget(undefined, later), [
    ['Range', 'bytes=0-'],
    ['Authorization', 'Basic x'],
  ]),
  toEdgeRequest('HEAD', pullTarget(`direct/${ID}/a`, later).replace(':', '%3a')),
  toEdgeRequest('GET', pullTarget(undefined, { expires: 1 })),
  toEdgeRequest('HEAD', pullTarget(undefined, { expires: 1 })),
  toEdgeRequest('DELETE', pullTarget(undefined, later)),
  toEdgeRequest('GET', '/v2/../x'),
  toEdgeRequest('GET', '/v2/%zz'),
  toEdgeRequest('GET', '/v2/a%0A'),
  toEdgeRequest('GET', '/v2/', [['X-Longshore-Edge', 'x']]),
]

// CloudFront Functions run on a descendant of njs, nginx's own engine: what that does not understand, CloudFront hardly does.
describeWith({ tools: ['njs'] }, 'in njs', () => {
  let folder: string
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'longshore-njs-'))
    await writeFile(join(folder, 'cloudfront'), CLOUDFRONT)
  })
  afterAll(() => rm(folder, { recursive: true, force: true }))

  /** What the function makes of each event. */
  async function inNjs(code: string, events: readonly unknown[], result: string): Promise<unknown[]> {
    const script = join(folder, 'script.js')
    const all = `
      async function all(events) {
        for (let i = 0; i < events.length; i++) {
          const made = await handler(events[i])
          console.log(JSON.stringify(${result}))
        }
      }
      all(${JSON.stringify(events)})`
    await writeFile(script, `import runtime from 'cloudfront'\n${code}${all}`)
    const printed = await run(findTool('njs') ?? 'njs', ['-p', folder, script])
    const lines = printed.trim().split('\n')
    return lines.map(line => JSON.parse(line))
  }

  it('the viewer-request function decides as in the tests', async () => {
    const here = await Promise.all(
      requests.map(request => viewerRequest.viewerRequest(request, { items: ITEMS })),
    )

    const events = requests.map(request => ({ request }))
    const there = await inNjs(
      edgeFunctionCode('viewer-request'),
      events,
      '{ made: made, origin: runtime.chosen() }',
    )

    expect(there).toEqual(
      here.map(decision =>
        'response' in decision
          ? { made: decision.response }
          : { made: decision.request, origin: decision.origin },
      ),
    )
  })

  it('the viewer-response function answers as in the tests', async () => {
    const headers: HeaderList = [
      ['ETag', '"a"'],
      ['x-amz-id-2', 'b'],
      ['Server', 'AmazonS3'],
    ]
    const events = requests.map(request => ({
      request,
      response: { statusCode: 200, headers: toEdgeHeaders(headers) },
    }))
    const here = await Promise.all(
      events.map(({ request, response }) => viewerResponse.viewerResponse(request, response)),
    )

    expect(await inNjs(edgeFunctionCode('viewer-response'), events, 'made')).toEqual(here)
  })
})
