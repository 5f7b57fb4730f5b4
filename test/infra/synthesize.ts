import { App } from 'aws-cdk-lib'
import { type Amis, readAmis } from '../../infra/amis.ts'
import { readSettings } from '../../infra/settings.ts'
import { RegistryStack } from '../../infra/stack.ts'
import type { Template, TemplateResource } from '../support/resource-schemas.ts'
import { TempDir } from '../support/temp-dir.ts'

const DOMAIN = {
  domain: 'registry.example.com',
  certificate: 'arn:aws:acm:us-east-1:123456789012:certificate/0a1b-2c3d',
  zone: 'Z0123456789ABC',
}

export const EVERYTHING = {
  ...DOMAIN,
  name: 'images',
  pull: 'edge',
  relay: 'fargate',
  relayCpu: 1024,
  relayMemory: 2048,
  relayMin: 2,
  relayZones: 'eu-west-1a,eu-west-1b,eu-west-1c',
  relayPrefixList: 'pl-0123abcd',
  priceClass: '100',
  webAcl: 'arn:aws:wafv2:us-east-1:123456789012:global/webacl/guard/0a1b',
  secretGeneration: 'spring',
  tags: 'owner=me,stage=test',
}

/** Sets of settings that together have every resource. */
export const COMBINATIONS: [name: string, settings: Record<string, unknown>][] = [
  ['no settings', {}],
  ['pull=edge', { pull: 'edge' }],
  ['relay=always', { relay: 'always', relayAmi: 'ami-0123456789abcdef0', relayZones: 'us-east-1b' }],
  ['relay=fargate', { relay: 'fargate' }],
  ['relay=off', { relay: 'off' }],
  ['a domain', DOMAIN],
  ['CORS origins', { pull: 'edge', corsOrigins: 'https://ui.example.com' }],
  ['nothing retained', { retain: 'off', reserveCollector: 'on' }],
  ['everything', EVERYTHING],
]

/** A part of a template. */
// biome-ignore lint/suspicious/noExplicitAny: CloudFormation has no types here.
export type Loose = Record<string, any>

export interface Synthesized {
  readonly template: Template
  readonly app: App
  /** All resources of a type. */
  all(type: string): TemplateResource[]
  /** Properties of the one resource of a type. */
  one(type: string): Loose
}

/** Makes no bundles, and copies no asset. */
const WITHOUT_FILES = { 'aws:cdk:bundling-stacks': [], 'aws:cdk:disable-asset-staging': true }

const done = new Map<string, Synthesized>()

/** Synthesizes the template without the bundles of the functions. Each set of settings is synthesized once. */
export function synthesize(context: Record<string, unknown> = {}, amis: Amis = readAmis()): Synthesized {
  const name = JSON.stringify([context, amis])
  const known = done.get(name)
  if (known) return known
  const folder = new TempDir('longshore-synth-')
  const app = new App({ context: WITHOUT_FILES, treeMetadata: false, outdir: folder.path })
  const stack = new RegistryStack(app, readSettings(context), amis)
  const template: Template = app.synth().getStackArtifact(stack.artifactId).template
  folder.remove()
  const resources = Object.values(template.Resources)
  const all = (type: string) => resources.filter(({ Type }) => Type === type)
  const made: Synthesized = {
    template,
    app,
    all,
    one(type) {
      const found = all(type)
      if (found.length !== 1) throw new Error(`there are ${found.length} of ${type}`)
      return found[0]?.Properties ?? {}
    },
  }
  done.set(name, made)
  return made
}

/** A template value as text, with references as `<logical id>`. */
export function flat(value: unknown): string {
  if (typeof value === 'string') return value
  if (Array.isArray(value)) return value.map(flat).join('')
  if (typeof value !== 'object' || value === null) return String(value)
  const { Ref, 'Fn::GetAtt': attribute, 'Fn::Join': join, 'Fn::Sub': sub } = value as Record<string, never>
  if (Ref) return `<${Ref}>`
  if (attribute) return `<${[attribute].flat().join('.')}>`
  if (join) return flat((join as unknown[])[1])
  if (sub) return flat(sub)
  return JSON.stringify(value)
}
