import { expect, test } from 'vitest'
import { describeWith, findTool } from '../support/requirements.ts'
import { runSuite, VERSIONS, type Verdict } from './suite.ts'

const program = findTool('conformance')

// The suite runs first, so that each of its tests can be one here.
const verdicts = new Map<string, Verdict>()
if (program) for (const version of VERSIONS) verdicts.set(version, await runSuite(program, version))

for (const version of VERSIONS)
  describeWith({ tools: ['conformance'] }, `OCI conformance suite, version ${version}`, () => {
    const { code, cases } = verdicts.get(version) ?? { code: -1, cases: [] }

    test('ends well', () => {
      expect(code).toBe(0)
    })

    test('is whole', () => {
      expect(cases.length).toBeGreaterThan(750)
    })

    for (const { name, status, message } of cases)
      test(name, () => {
        // A skip says that the registry lacks something, which is no pass.
        if (status !== 'passed') throw new Error(`${status}: ${message}`)
      })
  })
