import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as v from 'valibot'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { parse } from 'yaml'
import { COMBINATIONS, synthesize } from '../infra/synthesize.ts'
import { describeWith } from '../support/requirements.ts'
import { TempDir } from '../support/temp-dir.ts'
import { type Finding, LINTERS, Templates } from './linters.ts'

const ACCEPTED = join(import.meta.dirname, 'accepted-findings.yaml')
const SENTENCE = v.pipe(v.string(), v.regex(/^[A-Z][^.]{20,}.*\.$/s))

const LIST = v.array(
  v.strictObject({
    tool: v.picklist(['cfn-lint', 'checkov']),
    rule: v.string(),
    resources: v.pipe(v.array(v.string()), v.minLength(1)),
    reason: SENTENCE,
  }),
)

const installed = existsSync(LINTERS) ? [] : ['cfn-lint and checkov, by .ci/python/build']

describeWith({ tools: installed }, 'The templates of all combinations', () => {
  const folder = new TempDir('longshore-lint-')
  const accepted = v
    .parse(LIST, parse(readFileSync(ACCEPTED, 'utf8')))
    .flatMap(({ tool, rule, resources }) => resources.map(resource => ({ tool, rule, resource })))
  let findings: readonly Finding[]

  beforeAll(async () => {
    const templates = new Templates(folder)
    for (const [, settings] of COMBINATIONS) templates.add(synthesize(settings))
    findings = (await Promise.all([templates.lintWithCfnLint(), templates.lintWithCheckov()])).flat()
  })

  afterAll(() => folder.remove())

  it.each(['cfn-lint', 'checkov'])('have no finding of %s without a reason', tool => {
    const known = new Set(accepted.map(nameOf))
    const unknown = findings.filter(finding => finding.tool === tool && !known.has(nameOf(finding)))
    expect([...new Set(unknown.map(one => `${nameOf(one)}: ${one.message}`))]).toEqual([])
  })

  it.each(['cfn-lint', 'checkov'])('still have every accepted finding of %s', tool => {
    const found = new Set(findings.map(nameOf))
    const gone = accepted.filter(one => one.tool === tool && !found.has(nameOf(one)))
    expect(gone.map(nameOf)).toEqual([])
  })

  it('have each finding in the list once', () => {
    const names = accepted.map(nameOf)
    expect(names.filter((name, at) => names.indexOf(name) !== at)).toEqual([])
  })
})

function nameOf({ tool, rule, resource }: Pick<Finding, 'tool' | 'rule' | 'resource'>): string {
  return `${tool} ${rule} ${resource}`
}
