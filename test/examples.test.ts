import { globSync, readFileSync } from 'node:fs'
import { parse as parseToml } from 'smol-toml'
import * as v from 'valibot'
import { describe, expect, it } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { parseIssuers } from '../lambda/auth/identity/federated/issuers.ts'
import { decide, parsePolicy } from '../lambda/auth/policy/policy.ts'
import { readCommand } from '../server/config.ts'
import { longshore } from './support/cli.ts'

const read = (path: string) => readFileSync(`examples/${path}`, 'utf8')
const yaml = (path: string) =>
  parseAllDocuments(read(path)).map(document => document.toJS({ maxAliasCount: 0 }))
const json = (path: string) => JSON.parse(read(path))

describe('every example', () => {
  it.each(globSync('examples/**/*.{yml,yaml}'))('%s is YAML without errors or warnings', path => {
    const documents = parseAllDocuments(readFileSync(path, 'utf8'), { uniqueKeys: true })
    expect(documents.length).toBeGreaterThan(0)
    expect(documents.flatMap(({ errors, warnings }) => [...errors, ...warnings])).toEqual([])
  })

  it.each(globSync('examples/**/policy.json'))('%s is a valid policy', path => {
    expect(() => parsePolicy(JSON.parse(readFileSync(path, 'utf8')))).not.toThrow()
  })

  it.each(globSync('examples/**/issuers.json'))('%s is a valid list of issuers', path => {
    expect(parseIssuers(JSON.parse(readFileSync(path, 'utf8')))).toHaveLength(1)
  })

  it('is mentioned in the README of the examples', () => {
    const files = globSync('examples/*/*').map(path => path.split('/').at(-1) ?? '')
    const readme = read('README.md')
    const described = (file: string) => readme.includes(file) || file === 'compose.yaml'
    expect(files.filter(file => !described(file))).toEqual([])
  })
})

describe('the compose file', () => {
  const [{ services, volumes }] = yaml('compose/compose.yaml')
  const { registry } = services

  it('uses settings of the server, with valid values', () => {
    const command = readCommand([], registry.environment)
    const help = readCommand(['--help'], {})
    const listed = 'print' in help ? help.print : ''
    expect('serve' in command).toBe(true)
    for (const variable of Object.keys(registry.environment)) expect(listed).toContain(` ${variable} `)
  })

  it('gives the server more time to stop than the setting --shutdown', () => {
    const command = readCommand([], registry.environment)
    const shutdown = 'serve' in command ? command.serve.shutdown : 0
    expect(Number.parseInt(registry.stop_grace_period, 10) * 1000).toBeGreaterThan(shutdown)
  })

  it('mounts its volume on the data folder of the image, and publishes the port of the image', () => {
    const dockerfile = readFileSync('Dockerfile', 'utf8')
    const [volume, target] = registry.volumes[0].split(':')
    expect(Object.keys(volumes)).toEqual([volume])
    expect(dockerfile).toContain(`\nVOLUME ${target}\n`)
    expect(dockerfile).toContain(`\nEXPOSE ${registry.ports[0].split(':').at(-1)}\n`)
  })
})

describe('the workflow for GitHub Actions', () => {
  const [workflow] = yaml('github-actions/push.yml')
  const policy = parsePolicy(json('github-actions/policy.json'))
  const job = workflow.jobs.push

  /** The subject of a job that runs for a branch. */
  const subjectOn = (branch: string) => ({
    kind: 'oidc' as const,
    issuer: parseIssuers(json('github-actions/issuers.json'))[0]?.name ?? '',
    subject: `repo:acme/web:ref:refs/heads/${branch}`,
    claims: { repository_owner: 'acme', repository: 'acme/web', ref: `refs/heads/${branch}` },
  })
  const mayPush = (branch: string) =>
    (['push-content', 'create-tag'] as const).every(
      action =>
        decide(policy, subjectOn(branch), {
          action,
          repository: job.env.IMAGE.replace(`${job.env.REGISTRY}/`, ''),
          tag: '0123abc',
        }).allowed,
    )

  it('requests an ID token with the host of the registry as its audience', () => {
    const [login] = job.steps.flatMap(({ run = '' }) => (run.includes('docker login') ? [run as string] : []))
    expect(workflow.permissions['id-token']).toBe('write')
    expect(login).toContain('&audience=$REGISTRY"')
    expect(login).toContain('--username oidc')
  })

  it('may push from the branch main only', () => {
    expect(mayPush('main')).toBe(true)
    expect(mayPush('other')).toBe(false)
  })
})

describe('the pull secret', () => {
  const [secret, account] = yaml('kubernetes/pull-secret.yaml')

  it('is a secret of the type that Kubernetes requires for a Docker configuration', () => {
    expect(secret).toMatchObject({ apiVersion: 'v1', kind: 'Secret', type: 'kubernetes.io/dockerconfigjson' })
    const { auths } = JSON.parse(secret.stringData['.dockerconfigjson'])
    expect(auths).toEqual({ 'registry.example': { username: 'cluster', password: expect.any(String) } })
  })

  it('is used by the service account', () => {
    expect(account.imagePullSecrets).toEqual([{ name: secret.metadata.name }])
    expect(account.metadata.namespace).toBe(secret.metadata.namespace)
  })

  it('belongs to a robot that may pull', () => {
    const robot = { kind: 'robot', name: 'cluster', grants: [] } as const
    const policy = parsePolicy(json('kubernetes/policy.json'))
    expect(decide(policy, robot, { action: 'pull', repository: 'team/app' }).allowed).toBe(true)
  })
})

/** `CredentialProviderConfig` of kubelet.config.k8s.io/v1, with the rules of the kubelet's validation. */
const duration = v.pipe(v.string(), v.regex(/^(0s|\d+(\.\d+)?(h|m|s)+)$/))
const nonEmpty = v.pipe(v.string(), v.minLength(1))
const CredentialProviderConfig = v.strictObject({
  apiVersion: v.literal('kubelet.config.k8s.io/v1'),
  kind: v.literal('CredentialProviderConfig'),
  providers: v.pipe(
    v.array(
      v.strictObject({
        name: v.pipe(v.string(), v.regex(/^[^/\\\s]+$/)),
        matchImages: v.pipe(v.array(nonEmpty), v.minLength(1)),
        defaultCacheDuration: duration,
        apiVersion: v.picklist(['credentialprovider.kubelet.k8s.io/v1']),
        args: v.optional(v.array(v.string())),
        env: v.optional(v.array(v.strictObject({ name: nonEmpty, value: v.string() }))),
        tokenAttributes: v.optional(
          v.strictObject({
            serviceAccountTokenAudience: nonEmpty,
            cacheType: v.picklist(['ServiceAccount', 'Token']),
            requireServiceAccount: v.boolean(),
            requiredServiceAccountAnnotationKeys: v.optional(v.array(v.string())),
            optionalServiceAccountAnnotationKeys: v.optional(v.array(v.string())),
          }),
        ),
      }),
    ),
    v.minLength(1),
  ),
})

describe.each(globSync('examples/kubernetes/credential-provider-*.yaml'))('%s', path => {
  const [config] = parseAllDocuments(readFileSync(path, 'utf8')).map(document => document.toJS())
  const [provider] = config.providers

  it('matches the published schema of the kubelet', () => {
    expect(v.safeParse(CredentialProviderConfig, config).issues).toBeUndefined()
  })

  it('names a program of the package and one of its commands', async () => {
    const { bin } = JSON.parse(readFileSync('package.json', 'utf8'))
    expect(Object.keys(bin)).toContain(provider.name)
    expect(await longshore(`help ${provider.args[0]}`)).toMatchObject({ code: 0 })
  })

  it('requests tokens with the registry as their audience', () => {
    const { serviceAccountTokenAudience = 'registry.example' } = provider.tokenAttributes ?? {}
    expect([serviceAccountTokenAudience]).toEqual(provider.matchImages)
  })
})

describe('hosts.toml', () => {
  it('pulls from, resolves at and pushes to its registry', () => {
    const { server, host } = parseToml(read('containerd/hosts.toml')) as {
      server: string
      host: Record<string, { capabilities: string[]; ca: string }>
    }
    expect(Object.keys(host)).toEqual([server])
    expect(host[server]?.capabilities).toEqual(['pull', 'resolve', 'push'])
    expect(host[server]?.ca).toBe(`/etc/containerd/certs.d/${new URL(server).host}/ca.crt`)
  })
})
