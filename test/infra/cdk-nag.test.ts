import { type App, Stack, Validations } from 'aws-cdk-lib'
import { Bucket } from 'aws-cdk-lib/aws-s3'
import { AwsSolutionsChecks } from 'cdk-nag'
import { describe, expect, it } from 'vitest'
import { COMBINATIONS, synthesize } from './synthesize.ts'

describe.each(COMBINATIONS)('With %s', (_, settings) => {
  const made = synthesize(settings)

  it("has no finding of cdk-nag's AwsSolutions rules that is not suppressed", () => {
    expect(findingsIn(made.app)).toEqual([])
  })

  it('gives a reason of at least one sentence for each suppression', () => {
    const reasons = reasonsIn(made.app)
    expect(reasons.length).toBeGreaterThan(0)
    for (const [where, reason] of reasons) expect(reason, where).toMatch(/^[A-Z][^.]{30,}.*\.$/s)
  })

  it('is the same each time', () => {
    const again = synthesize({ ...settings, graceHours: 24 })
    expect(again.template).toEqual(made.template)
  })

  it('contains no secret: the edge header is a reference', () => {
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

it('cdk-nag reports an open bucket', () => {
  const stack = new Stack()
  new Bucket(stack, 'Open')
  expect(findingsIn(stack)).toContain('AwsSolutions-S10 Default/Open/Resource')
})

/** Findings without a suppression. */
function findingsIn(place: App | Stack): string[] {
  const { violations } = new AwsSolutionsChecks().validateScope(place)
  return violations.flatMap(({ ruleName, violatingResources }) =>
    violatingResources.map(({ constructPath }) => `${ruleName} ${constructPath}`),
  )
}

/** The reasons of our suppressions. The CDK has some of its own, for other rules. */
function reasonsIn(app: App): [where: string, reason: string][] {
  return app.node.findAll().flatMap(({ node }) =>
    node.metadata
      .filter(({ type }) => type === Validations.ACKNOWLEDGED_RULES_METADATA_KEY)
      .flatMap(({ data }) => Object.entries(data as Record<string, string>))
      .filter(([rule]) => rule.includes('AwsSolutions'))
      .map(([rule, reason]): [string, string] => [`${node.path} ${rule}`, reason]),
  )
}
