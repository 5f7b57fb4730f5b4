import { type App, Stack, Validations } from 'aws-cdk-lib'
import { Bucket } from 'aws-cdk-lib/aws-s3'
import { AwsSolutionsChecks } from 'cdk-nag'
import { describe, expect, it } from 'vitest'
import { COMBINATIONS, synthesize } from './synthesize.ts'

describe.each(COMBINATIONS)('With %s', (_, settings) => {
  const made = synthesize(settings)

  it("keeps AWS's rules for good solutions, or says why not", () => {
    expect(findingsIn(made.app)).toEqual([])
  })

  it('gives a reason of a sentence at least for what it does not keep', () => {
    const reasons = reasonsIn(made.app)
    expect(reasons.length).toBeGreaterThan(0)
    for (const [where, reason] of reasons) expect(reason, where).toMatch(/^[A-Z][^.]{30,}.*\.$/s)
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
  expect(findingsIn(stack)).toContain('AwsSolutions-S10 Default/Open/Resource')
})

/** What nobody gave a reason for. */
function findingsIn(place: App | Stack): string[] {
  const { violations } = new AwsSolutionsChecks().validateScope(place)
  return violations.flatMap(({ ruleName, violatingResources }) =>
    violatingResources.map(({ constructPath }) => `${ruleName} ${constructPath}`),
  )
}

/** The reasons that we give, by the place and the name of the rule. The CDK gives some of its own, for other rules. */
function reasonsIn(app: App): [where: string, reason: string][] {
  return app.node.findAll().flatMap(({ node }) =>
    node.metadata
      .filter(({ type }) => type === Validations.ACKNOWLEDGED_RULES_METADATA_KEY)
      .flatMap(({ data }) => Object.entries(data as Record<string, string>))
      .filter(([rule]) => rule.includes('AwsSolutions'))
      .map(([rule, reason]): [string, string] => [`${node.path} ${rule}`, reason]),
  )
}
