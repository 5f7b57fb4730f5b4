import { describe, expect, it } from 'vitest'
import { schemaMistakes } from '../support/resource-schemas.ts'
import { COMBINATIONS, synthesize } from './synthesize.ts'

describe("The check against AWS's resource schemas", () => {
  const of = (Type: string, Properties: Record<string, unknown>) =>
    schemaMistakes({ Resources: { It: { Type, Properties } } })

  it.each([
    ['a type that does not exist', of('AWS::S3::Buckets', {}), 'It: there is no type AWS::S3::Buckets'],
    ['an unknown property', of('AWS::S3::Bucket', { BucketNames: 'a' }), 'It.BucketNames is unknown'],
    [
      'a property that only JavaScript has',
      of('AWS::S3::Bucket', JSON.parse('{"constructor": "a"}')),
      'It.constructor is unknown',
    ],
    [
      'an unknown nested property',
      of('AWS::S3::Bucket', { VersioningConfiguration: { Status: 'Enabled', State: 'on' } }),
      'It.VersioningConfiguration.State is unknown',
    ],
    [
      'a missing property',
      of('AWS::S3::Bucket', { VersioningConfiguration: {} }),
      'It.VersioningConfiguration.Status is missing',
    ],
    [
      'a value that is not allowed',
      of('AWS::S3::Bucket', { VersioningConfiguration: { Status: 'enabled' } }),
      'It.VersioningConfiguration.Status must be one of Enabled,Suspended',
    ],
    [
      'a text in place of a number',
      of('AWS::Logs::LogGroup', { RetentionInDays: '30' }),
      'It.RetentionInDays must be a whole number',
    ],
    [
      'an object in place of a list',
      of('AWS::Logs::LogGroup', { Tags: { Key: 'a' } }),
      'It.Tags must be a list',
    ],
  ])('notices %s', (_, mistakes, expected) => {
    expect(mistakes).toEqual([expected])
  })

  it('accepts references, which are known on deployment only', () => {
    expect(of('AWS::Logs::LogGroup', { RetentionInDays: { Ref: 'Days' } })).toEqual([])
  })
})

describe.each(COMBINATIONS)('With %s', (_, settings) => {
  it("fits AWS's resource schemas", () => {
    expect(schemaMistakes(synthesize(settings).template)).toEqual([])
  })
})
