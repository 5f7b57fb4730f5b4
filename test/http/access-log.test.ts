import { describe, expect, it } from 'vitest'
import { accessRecord, faultRecord, type RequestInfo } from '../../lambda/http/access-log.ts'
import { parseRepositoryName } from '../../lambda/protocol/name.ts'

const visit: RequestInfo = {
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

describe('the record of a request', () => {
  it('joins what the door and the app know', () => {
    const repository = parseRepositoryName('a/b')
    expect(
      accessRecord(visit, {
        route: '/v2/<name>',
        action: 'pull',
        repository,
        code: 'NAME_UNKNOWN',
        fault: 'never',
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

  it('has nothing that is not known', () => {
    const { method: _, agent: __, remote: ___, ...bare } = visit
    expect(Object.keys(JSON.parse(JSON.stringify(accessRecord(bare, {}))))).toEqual([
      'time',
      'level',
      'requestId',
      'status',
      'bytesIn',
      'bytesOut',
      'durationMs',
    ])
  })

  it('shows control characters of the agent instead of obeying them', () => {
    expect(accessRecord({ ...visit, agent: 'a\n\u001b[2J\u009b\u202e' }, {}).agent).toBe(
      'a\\u000a\\u001b[2J\\u009b\\u202e',
    )
  })

  it('bounds the agent', () => {
    expect(accessRecord({ ...visit, agent: 'x'.repeat(10_000) }, {}).agent).toHaveLength(256)
  })
})

describe('the record of a fault', () => {
  it('has the stacks of the error and its causes', () => {
    const { stack } = faultRecord(0, new Error('outer', { cause: new Error('inner') }), 'r')
    expect(stack).toMatch(/^Error: outer\n[\s\S]*\ncaused by Error: inner\n/)
  })

  it('tells also of what is no error', () => {
    expect(faultRecord(0, 'odd')).toEqual({
      time: '1970-01-01T00:00:00.000Z',
      level: 'error',
      message: 'odd',
    })
  })
})
