import { describe, expect, it } from 'vitest'
import { accessRecord, faultRecord, type RequestInfo } from '../../lambda/http/access-log.ts'
import { parseRepositoryName } from '../../lambda/protocol/name.ts'

const INFO: RequestInfo = {
  requestId: 'r',
  startedAt: 0,
  durationMs: 1.2345,
  status: 404,
  bytesIn: 1,
  bytesOut: 2,
  method: 'GET',
  agent: 'curl/8',
  remote: '::1',
}

describe('accessRecord', () => {
  it('combines the information of the adapter and the app', () => {
    const repository = parseRepositoryName('a/b')
    expect(
      accessRecord(INFO, {
        route: '/v2/<name>',
        action: 'pull',
        repository,
        code: 'NAME_UNKNOWN',
        fault: 'not logged here',
      }),
    ).toEqual({
      time: '1970-01-01T00:00:00.000Z',
      level: 'info',
      requestId: 'r',
      method: 'GET',
      route: '/v2/<name>',
      action: 'pull',
      repository: 'a/b',
      status: 404,
      code: 'NAME_UNKNOWN',
      bytesIn: 1,
      bytesOut: 2,
      durationMs: 1.2,
      agent: 'curl/8',
      remote: '::1',
    })
  })

  it('leaves out unknown fields', () => {
    const { method: _, agent: __, remote: ___, ...minimal } = INFO
    expect(Object.keys(JSON.parse(JSON.stringify(accessRecord(minimal, {}))))).toEqual([
      'time',
      'level',
      'requestId',
      'status',
      'bytesIn',
      'bytesOut',
      'durationMs',
    ])
  })

  it('escapes control characters of the agent', () => {
    expect(accessRecord({ ...INFO, agent: 'a\n\u001b[2J\u009b\u202e' }, {}).agent).toBe(
      'a\\u000a\\u001b[2J\\u009b\\u202e',
    )
  })

  it('truncates the agent to 256 characters', () => {
    expect(accessRecord({ ...INFO, agent: 'x'.repeat(10_000) }, {}).agent).toHaveLength(256)
  })
})

describe('faultRecord', () => {
  it('contains the stacks of the error and its causes', () => {
    const { stack } = faultRecord(0, new Error('outer', { cause: new Error('inner') }), 'r')
    expect(stack).toMatch(/^Error: outer\n[\s\S]*\ncaused by Error: inner\n/)
  })

  it('describes a thrown value that is not an Error', () => {
    expect(faultRecord(0, 'odd')).toEqual({
      time: '1970-01-01T00:00:00.000Z',
      level: 'error',
      message: 'odd',
    })
  })
})
