import { Stack } from 'aws-cdk-lib'
import { Bucket } from 'aws-cdk-lib/aws-s3'
import { AwsSolutionsChecks } from 'cdk-nag'
import { describe, expect, it } from 'vitest'
import { COMBINATIONS, synthesize } from './synthesize.ts'

describe.each(COMBINATIONS)('With %s', (_, settings) => {
  const made = synthesize(settings)

  it("keeps AWS's rules for good solutions, or says why not", () => {
    expect(made.findings).toEqual([])
  })

  it('gives a reason of a sentence at least for what it does not keep', () => {
    expect(made.reasons.size).toBeGreaterThan(0)
    for (const [where, reason] of made.reasons) expect(reason, where).toMatch(/^[A-Z][^.]{30,}.*\.$/s)
  })

  it('is the same each time, so nothing in it is made of chance', () => {
    const again = synthesize({ ...settings, graceHours: 24 })
    expect(again.template).toEqual(made.template)
  })

  it('has no secret in it: the edge gets its header by reference', () => {
    const header = { 'Fn::GetAtt': [expect.stringMatching(/^EdgeSecret/), 'Header'] }
    const { Origins } = made.one('AWS::CloudFront::Distribution').DistributionConfig
    const headers = Origins.flatMap(
      (origin: { OriginCustomHeaders?: object[] }) => origin.OriginCustomHeaders ?? [],
    )
    expect(headers.length).toBeGreaterThan(0)
    for (const one of headers) expect(one).toEqual({ HeaderName: 'x-longshore-edge', HeaderValue: header })
    expect(JSON.stringify(made.template.Outputs)).not.toContain('Header')
  })
})

it('the rules do notice what breaks them', () => {
  const stack = new Stack()
  new Bucket(stack, 'Open')
  const { violations } = new AwsSolutionsChecks().validateScope(stack)
  expect(violations.map(({ ruleName }) => ruleName)).toContain('AwsSolutions-S10')
})
